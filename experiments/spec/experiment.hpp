// The file dflop/experiment/1, read strictly: after this everything that can be wrong with an input has been said.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "experiments/spec/scenario.hpp"
#include "experiments/spec/sweep.hpp"

namespace dflop {

/// One scenario with one value of every sweep axis.
struct Point {
  Json values;  ///< {"/cluster/nodes": 4, …}; null when there is no sweep
  Scenario scenario;
};

struct Experiment {
  std::string file;
  std::string name;
  std::string description;
  std::vector<std::int64_t> seeds;
  int steps = 1;
  std::string engine;
  std::vector<std::string> baselines;
  std::vector<Point> points;  ///< scenario by scenario, each over all sweep points
  bool has_sweep = false;
  bool policies_replaced = false;  ///< it has policies, and every scenario has others of its own
};

/// Command-line options that replace what the file says.
struct ExperimentOverrides {
  std::optional<std::int64_t> seed;
  std::optional<int> first_seeds;  ///< no more than so many of the experiment's seeds, in their order
  std::optional<std::string> engine;
};

/// Throws InputError; reads every file that the experiment names.
Experiment ReadExperiment(const std::string& path, const ExperimentOverrides& overrides = {});

inline constexpr std::int64_t kLargestSeed = std::int64_t{1} << 53;

}  // namespace dflop
