// The runs of a result gathered into rows, so that one verdict is given over all seeds of a scenario, point and policy.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "experiments/results/run_figures.hpp"

namespace dflop {

/// What a verdict rests on.
struct StoredRun {
  JsonReader run;
  std::string infeasible;  ///< why; empty for a run with figures
  RunFigures figures;
};

struct ResultRow {
  std::string key;   ///< scenario, point and policy, whatever the order of the axes
  std::string name;  ///< the same in words: "llama3-8b, cluster/nodes 4, dflop"
  std::string scenario;
  std::string point;  ///< its axes in words: "cluster/nodes 4, …"; empty without a sweep
  std::string policy;
  std::map<std::int64_t, StoredRun> by_seed;
  std::optional<StoredRun> of_all_seeds;  ///< an infeasible entry without a seed stands for every seed

  /// The run of this seed, else what stands for every seed, else nullptr.
  const StoredRun* Find(std::int64_t seed) const;
};

/// In the order of the file. InputError with the pointer when a run lacks a figure or two runs are the same. The
/// document behind `result` must outlive the rows.
std::vector<ResultRow> ReadRows(const JsonReader& result);

/// The axes of an entry's `point` in words, by name, whatever order the entry writes them in; empty without a sweep.
std::string PointInWords(const JsonReader& entry);

std::set<std::int64_t> SeedsOf(const std::vector<ResultRow>& rows);

}  // namespace dflop
