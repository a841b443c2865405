// One unit of work: a scenario at one sweep point under one policy with some seeds, over all steps.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "experiments/spec/experiment.hpp"
#include "sim/measure/drawn_devices.hpp"

namespace dflop {

struct Unit {
  const Experiment* experiment = nullptr;
  const Point* point = nullptr;
  const PolicySpec* policy = nullptr;
  bool drawn = false;                 ///< the first step of its first seed is kept as a trace and a timeline
  std::vector<std::int64_t> seeds{};  ///< that it runs; empty: all of the experiment

  std::string Name() const;  ///< for messages
};

/// Where the picture of a drawn unit's first step goes.
struct PictureFiles {
  std::string trace;     ///< Chrome trace
  std::string timeline;  ///< dflop/timeline/1, with scenario, point and policy
  TraceDetail detail = TraceDetail::kSample;
};

/// Simulates the unit. Entries of `runs` in dflop/result/1, one per seed and without speedup_vs; or a single one that
/// says why nothing is feasible at this point of a sweep. Throws InputError where nothing is feasible and the
/// experiment is no sweep. Files are written for a drawn unit, unless `pictures` is null.
Json RunUnit(const Unit& unit, const PictureFiles* pictures = nullptr);

}  // namespace dflop
