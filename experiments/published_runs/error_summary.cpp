// A key decides which rows are summed together; the same figures come of every key.
#include "experiments/published_runs/error_summary.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "base/statistics.hpp"

namespace dflop {
namespace {

using Rows = std::vector<const PredictedRun*>;
using Key = std::pair<std::string, std::string>;  // class, name

void SummarizeErrors(const Rows& rows, ErrorSummary& summary) {
  std::vector<double> errors;
  std::vector<double> absolute;
  double sum = 0;
  for (const PredictedRun* row : rows) {
    if (!row->predicted_s) continue;
    errors.push_back(row->error());
    absolute.push_back(std::abs(row->error()));
    sum += absolute.back();
  }
  summary.predicted = errors.size();
  if (errors.empty()) return;
  constexpr double kNinetyPerCent = 0.9;
  summary.mean_absolute = sum / static_cast<double>(errors.size());
  summary.median = Median(errors);
  summary.p90_absolute = Quantile(absolute, kNinetyPerCent);
}

/// Pairs within each group of layouts; groups of one file do not mix with another's.
void SummarizePairs(const Rows& rows, ErrorSummary& summary) {
  std::map<Key, std::vector<TimedRun>> groups;
  for (const PredictedRun* row : rows) {
    if (row->run.group.empty() || !row->predicted_s) continue;
    groups[{row->run.file, row->run.group}].push_back({row->run.step_time_s, *row->predicted_s});
  }
  for (const auto& [key, runs] : groups) {
    const PairCount pairs = CountPairs(runs);
    summary.pairs += pairs;
    summary.groups += pairs.pairs > 0 ? 1 : 0;
  }
}

ErrorSummary SummaryOf(const Key& key, const Rows& rows) {
  ErrorSummary summary;
  summary.kind = key.first;
  summary.name = key.second;
  summary.rows = rows.size();
  for (const PredictedRun* row : rows) {
    summary.exact += row->run.proxy.empty() ? 1 : 0;
    summary.too_large += row->fits ? 0 : 1;
    summary.much_too_large += !row->fits && row->memory_share() > kMuchTooLarge ? 1 : 0;
  }
  SummarizeErrors(rows, summary);
  SummarizePairs(rows, summary);
  return summary;
}

/// Classes in the order in which they differ from the simplest.
std::size_t PlaceOf(const std::string& kind) {
  constexpr std::array<const char*, 6> kKinds = {"dense", "experts", "lora", "fp8", "fp8-experts", "fp8-lora"};
  return static_cast<std::size_t>(std::find(kKinds.begin(), kKinds.end(), kind) - kKinds.begin());
}

template <typename NameOfRun>
std::vector<ErrorSummary> SummarizeBy(const std::vector<PredictedRun>& runs, NameOfRun name_of, bool with_all) {
  std::map<std::size_t, std::map<Key, Rows>> classes;
  std::map<std::size_t, Rows> all;
  for (const PredictedRun& run : runs) {
    const std::string name = name_of(run);
    if (name.empty()) continue;
    const std::size_t place = PlaceOf(run.run.kind);
    classes[place][{run.run.kind, name}].push_back(&run);
    all[place].push_back(&run);
  }
  std::vector<ErrorSummary> summaries;
  for (const auto& [place, rows_by_name] : classes) {
    for (const auto& [key, rows] : rows_by_name) summaries.push_back(SummaryOf(key, rows));
    if (with_all) summaries.push_back(SummaryOf({all[place].front()->run.kind, "all"}, all[place]));
  }
  return summaries;
}

}  // namespace

ErrorTables Summarize(const std::vector<PredictedRun>& runs) {
  ErrorTables tables;
  tables.sources = SummarizeBy(
      runs, [](const PredictedRun& run) { return run.run.source; }, true);
  tables.stacks = SummarizeBy(
      runs, [](const PredictedRun& run) { return run.run.stack.empty() ? "default" : run.run.stack; }, false);
  tables.groups = SummarizeBy(
      runs, [](const PredictedRun& run) { return run.run.group.empty() ? "" : run.run.source + ": " + run.run.group; },
      false);
  std::erase_if(tables.groups, [](const ErrorSummary& group) { return group.pairs.pairs == 0; });
  return tables;
}

}  // namespace dflop
