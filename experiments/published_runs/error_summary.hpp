// Predictions against measurements in figures: by class and source, by stack, by group of layouts.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "experiments/published_runs/predicted_run.hpp"
#include "experiments/published_runs/rank_order.hpp"

namespace dflop {

/// Errors are predicted / measured − 1. Percentiles as Quantile in base/statistics.hpp.
struct ErrorSummary {
  std::string kind;  ///< as MeasuredRun::kind; classes are never mixed
  std::string name;  ///< of the source, stack or group; "all" over a class
  std::size_t rows = 0;
  std::size_t predicted = 0;  ///< of them; errors are over these
  double mean_absolute = 0;
  double median = 0;  ///< signed
  double p90_absolute = 0;
  PairCount pairs;                 ///< over the groups of layouts, within each
  std::size_t groups = 0;          ///< with at least one pair
  std::size_t exact = 0;           ///< rows whose scenario states all as published
  std::size_t too_large = 0;       ///< predicted not to fit into memory, though they ran
  std::size_t much_too_large = 0;  ///< by more than 3 %
};

inline constexpr double kMuchTooLarge = 1.03;  ///< peak over a device's memory

struct ErrorTables {
  std::vector<ErrorSummary> sources;  ///< by class, then source; "all" last of each class
  std::vector<ErrorSummary> stacks;
  std::vector<ErrorSummary> groups;  ///< those with at least one pair, exact and proxy rows alike
};

ErrorTables Summarize(const std::vector<PredictedRun>& runs);

/// The tables in Markdown.
std::string TablesText(const ErrorTables& tables);
Json TablesJson(const ErrorTables& tables);

/// A line per run: measured, predicted, error, memory, layout, place in its table.
std::string ErrorsCsv(const std::vector<PredictedRun>& runs);

}  // namespace dflop
