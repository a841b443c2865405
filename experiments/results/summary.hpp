// The table of a result: one row per scenario, sweep point and policy, over all seeds.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "base/terminal.hpp"
#include "experiments/results/policy_runs.hpp"

namespace dflop {

struct SummaryRow : PolicyRuns {
  std::string scenario;
  std::string point;  ///< "/cluster/nodes = 4, …", "" without a sweep
  SeedInterval step;
  std::map<std::string, SeedInterval> speedup;  ///< by baseline
  std::optional<SeedInterval> regret;           ///< against the best policy here (regret.hpp), where there are several
  std::map<std::string, double> faster;         ///< by baseline: the share of the draws in which it is slower
};

/// Rows in the order of the runs. `result` is a dflop/result/1 document.
std::vector<SummaryRow> Summarise(const JsonReader& result);

/// The same rows as the array under `summary` of a result: means, 95 % intervals (null where there is one seed only),
/// and how many seeds chose each layout.
Json ToJson(const std::vector<SummaryRow>& rows);

/// For people: a block per scenario and point. On a narrow terminal the name, the step time, the speedup over the first
/// baseline, idle time, memory and whether it fits stay longest.
std::string SummaryTable(const std::vector<SummaryRow>& rows, const std::vector<std::string>& baselines,
                         const TextStyle& style = {});

/// For people too: the defaults in force, one line per set of scenarios that share them.
std::string AssumptionLines(const JsonReader& result);

/// For programs: RFC 4180, one line per row, half widths empty where there is one seed only.
std::string SummaryCsv(const std::vector<SummaryRow>& rows, const std::vector<std::string>& baselines);

}  // namespace dflop
