// The runs of a result gathered into rows, so that one verdict is given over all seeds of a scenario, point and policy.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json_reader.hpp"

namespace dflop {

/// What a verdict rests on.
struct RunFigures {
  JsonReader run;
  std::string infeasible;  ///< why; empty for a run with figures
  double step_s = 0;       ///< mean over the run's steps, above 0
  double mfu = 0;
  double peak_memory_bytes = 0;
  bool fits = true;
};

struct ResultRow {
  std::string key;   ///< scenario, point and policy, whatever the order of the axes
  std::string name;  ///< the same in words: "llama3-8b, cluster/nodes 4, dflop"
  std::map<std::int64_t, RunFigures> by_seed;
  std::optional<RunFigures> of_all_seeds;  ///< an infeasible entry without a seed stands for every seed

  /// The run of this seed, else what stands for every seed, else nullptr.
  const RunFigures* Find(std::int64_t seed) const;
};

/// In the order of the file. InputError with the pointer when a run lacks a figure or two runs are the same. The
/// document behind `result` must outlive the rows.
std::vector<ResultRow> ReadRows(const JsonReader& result);

std::set<std::int64_t> SeedsOf(const std::vector<ResultRow>& rows);

}  // namespace dflop
