// Two results side by side (`dflop compare`): of one experiment or of two. No verdict: `dflop check` gives those.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "base/statistics.hpp"
#include "base/terminal.hpp"
#include "experiments/results/input_differences.hpp"
#include "experiments/results/run_figures.hpp"

namespace dflop {

/// What is compared with what.
struct ResultMatching {
  std::map<std::string, std::string> scenarios{};  ///< of A → of B, where their names differ
  std::vector<std::string> policies{};             ///< only these; empty: all
};

/// One result's share in a row, over the seeds that are compared.
struct RowSide {
  std::string infeasible{};  ///< why there are no figures; empty when there are
  RunFigures figures{};
  std::vector<std::int64_t> seeds{};
  std::vector<double> step_s{};  ///< mean step of each seed
};

struct ComparedRow {
  std::string scenario{};  ///< as A names it
  std::string point{};     ///< in words, as A has it
  std::string policy{};
  RowSide a{};
  RowSide b{};
  /// B's mean step time over A's, where both have figures; with a paired interval (RatioOfMeans) over the common seeds.
  std::optional<Interval> ratio{};
  bool paired = false;  ///< the two have seeds in common, and only those count
  /// Of the common seeds, those whose layout or decisions differ; nullopt without common seeds or where a result does
  /// not say.
  std::optional<std::size_t> other_layouts{};
  std::optional<std::size_t> other_decisions{};

  bool has_figures() const { return ratio.has_value(); }
};

/// The policies of one scenario at one point that have figures and fit in both results, fastest first.
struct RankOrder {
  std::string scenario{};
  std::string point{};
  std::vector<std::string> in_a{};
  std::vector<std::string> in_b{};
  /// In B, how many times as long A's fastest takes as B's, paired over their seeds; where they differ.
  std::optional<Interval> lead{};

  bool other_fastest() const { return !in_a.empty() && in_a.front() != in_b.front(); }
};

struct TwoResults {
  std::string
      matched_by{};  ///< "scenario, point and policy", or less where the names of the two have nothing in common
  std::vector<InputDifference> differences{};
  std::vector<ComparedRow> rows{};  ///< in the order of A
  std::vector<std::string> only_a{};
  std::vector<std::string> only_b{};
  std::vector<RankOrder> ranks{};
};

/// Rows are matched by scenario, point and policy. Where that matches none: by point and policy if each result has one
/// scenario, and by policy alone if each has one point of it. InputError when a run lacks a figure, when a scenario or
/// policy of `matching` is in neither result, or when nothing matches.
TwoResults CompareTwoResults(const JsonReader& a, const JsonReader& b, const ResultMatching& matching);

/// The cause of idle time whose share of the device time changed most, with B's share minus A's.
struct MovedCause {
  std::string name{};
  double change = 0;
};
MovedCause MostMovedCause(const ComparedRow& row);

/// For people.
std::string TwoResultsText(const TwoResults& comparison, const JsonReader& a, const JsonReader& b,
                           const TextStyle& style = {});

/// For programs: dflop/comparison/1.
Json ToJson(const TwoResults& comparison, const JsonReader& a, const JsonReader& b);

}  // namespace dflop
