// What DFLOP's data profiler knows of a training set (arXiv 2603.25120, sections 3.2.2 and 3.4, Fig 4 and 11b): the
// joint distribution of encoder and LLM work over sampled data.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "models/cost_model.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

/// One number per sample: tiles, tokens, or seconds on a stage of the chosen layout.
struct SampleQuantity {
  std::string slug;  ///< for file names
  std::string name;  ///< "tiles of siglip-2.4b"
  std::string unit;  ///< "tiles", "tokens", "s"
  bool is_llm = false;
  std::vector<double> values;
};

struct DataProfile {
  std::string source;  ///< of the samples
  std::string layout;  ///< whose stages the seconds are of
  std::vector<SampleShape> shapes;
  std::vector<SampleQuantity> quantities;  ///< per module: its input's size, then its seconds
};

/// Seconds are those that a batch scheduler sees: what a sample adds to the slowest stage of the module.
DataProfile ProfileData(const CostModel& cost, const Layout& layout, std::vector<SampleShape> shapes,
                        std::string source);

/// Equal bins with round edges; `counts[i]` values lie in [low + i·width, low + (i+1)·width).
struct Histogram {
  double low = 0;
  double width = 1;
  std::vector<int> counts;
};
Histogram MakeHistogram(const std::vector<double>& values, int about_bins);

double Mean(const std::vector<double>& values);

/// dflop/data-profile/1: every marginal as a histogram, and tiles × LLM tokens jointly.
Json ToJson(const DataProfile& profile);

}  // namespace dflop
