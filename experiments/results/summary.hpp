// The table of a result: one row per scenario, sweep point and policy, over all seeds.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "experiments/results/cost_verdict.hpp"
#include "experiments/results/seed_figures.hpp"
#include "experiments/results/shown_name.hpp"

namespace dflop {

struct SummaryRow {
  std::string scenario;
  std::string point;  ///< "/cluster/nodes = 4, …", "" without a sweep
  std::string policy;
  std::string instead;     ///< the batch scheduler that stood in for the policy's, "" otherwise
  std::string infeasible;  ///< why there are no figures, "" otherwise
  SeedFigures seeds;
  SeedInterval step;
  std::map<std::string, SeedInterval> speedup;  ///< by baseline
  std::optional<SeedInterval> regret;           ///< against the best policy here (regret.hpp), where there are several
  /// The metrics' plain numbers over the seeds: means ("idle_fraction", "bubble", "mfu", …), of "peak_memory_bytes" the
  /// largest, which is what must fit.
  std::map<std::string, double> metrics;
  bool fits = true;                           ///< with every seed
  bool through_hub = false;                   ///< with some seed its encoders reach the LLM through one rank
  DrawTimes under_draws;                      ///< of every seed, where the result has them
  std::map<std::string, double> faster;       ///< by baseline: the share of the draws in which it is slower
  std::vector<std::string> changes_training;  ///< what the policy does to the training itself

  std::string shown() const { return ShownName(policy, instead); }
  /// Share of the busy time that was priced beyond the measured shapes; 0 where the result does not say.
  double extrapolated() const {
    const auto found = metrics.find("extrapolated_fraction");
    return found == metrics.end() ? 0 : found->second;
  }
};

/// Rows in the order of the runs. `result` is a dflop/result/1 document.
std::vector<SummaryRow> Summarise(const JsonReader& result);

/// The same rows as the array under `summary` of a result: means, 95 % intervals (null where there is one seed only),
/// and how many seeds chose each layout.
Json ToJson(const std::vector<SummaryRow>& rows);

/// For people: a block per scenario and point.
std::string SummaryTable(const std::vector<SummaryRow>& rows, const std::vector<std::string>& baselines);

/// For people too: the defaults in force, one line per set of scenarios that share them.
std::string AssumptionLines(const JsonReader& result);

/// For programs: RFC 4180, one line per row, half widths empty where there is one seed only.
std::string SummaryCsv(const std::vector<SummaryRow>& rows, const std::vector<std::string>& baselines);

}  // namespace dflop
