// Two results of one experiment, run by run: what `dflop check` reports.
#pragma once

#include <string>
#include <vector>

#include "base/json_reader.hpp"

namespace dflop {

struct Comparison {
  std::vector<std::string> regressions;
  std::vector<std::string> changes;  ///< differences that are no regression: better times, other hashes, new runs
  std::size_t runs = 0;              ///< runs of the stored result
};

/// Whether a metric of this name is measured by the clock on the wall, and so differs from run to run.
bool IsWallClock(const std::string& metric);

/// Runs are matched by scenario, point, policy and seed. A regression is a run whose mean iteration time is worse than
/// the stored one by more than the share `tolerance`, that is missing, or that became infeasible or too large for
/// the memory. Provenance and wall-clock fields are ignored; every other differing figure is listed as a change.
Comparison CompareResults(const JsonReader& stored, const JsonReader& fresh, double tolerance);

}  // namespace dflop
