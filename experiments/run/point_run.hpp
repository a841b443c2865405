// One unit of work: a scenario at one sweep point under one policy with some seeds, over all steps.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/spec/experiment.hpp"

namespace dflop {

struct Unit {
  const Experiment* experiment = nullptr;
  const Point* point = nullptr;
  const PolicySpec* policy = nullptr;
  bool drawn = false;                 ///< the first step of its first seed is kept as a trace and a timeline
  std::vector<std::int64_t> seeds{};  ///< that it runs; empty: all of the experiment

  std::string Name() const;  ///< for messages
};

struct UnitResult {
  /// Entries of `runs` in dflop/result/1, one per seed and without speedup_vs; or a single one that says why nothing
  /// is feasible at this point of a sweep.
  Json runs = Json::EmptyArray();
  Json trace;     ///< Chrome trace of the first step of the first seed, null unless the unit is drawn
  Json timeline;  ///< dflop/timeline/1 of the same step, with scenario, point and policy
};

/// Simulates the unit. Throws InputError where nothing is feasible and the experiment is no sweep.
UnitResult RunUnit(const Unit& unit);

}  // namespace dflop
