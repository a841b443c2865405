// The table of a result: one row per scenario, sweep point and policy, over all seeds and steps.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "base/statistics.hpp"
#include "experiments/cost_verdict.hpp"

namespace dflop {

struct SummaryRow {
  std::string scenario;
  std::string point;  ///< "/cluster/nodes = 4, …", "" without a sweep
  std::string policy;
  std::string infeasible;      ///< why there are no figures, "" otherwise
  std::vector<double> step_s;  ///< of every seed and step
  Interval step;
  std::map<std::string, Interval> speedup;  ///< by baseline
  std::optional<Interval> regret;           ///< against the best policy here (regret.hpp), where there are several
  /// Means over the seeds of the metrics' plain numbers: "idle_fraction", "bubble", "mfu", …
  std::map<std::string, double> means;
  bool fits = true;                           ///< with every seed
  DrawTimes under_draws;                      ///< of every seed, where the result has them
  std::map<std::string, double> faster;       ///< by baseline: the share of the draws in which it is slower
  std::vector<std::string> changes_training;  ///< what the policy does to the training itself
};

/// Rows in the order of the runs. `result` is a dflop/result/1 document.
std::vector<SummaryRow> Summarise(const JsonReader& result);

/// For people: a block per scenario and point.
std::string SummaryTable(const std::vector<SummaryRow>& rows, const std::vector<std::string>& baselines);

/// For people too: the defaults in force, one line per set of scenarios that share them.
std::string AssumptionLines(const JsonReader& result);

/// For programs: RFC 4180, one line per row, half widths empty where there is one observation only.
std::string SummaryCsv(const std::vector<SummaryRow>& rows, const std::vector<std::string>& baselines);

}  // namespace dflop
