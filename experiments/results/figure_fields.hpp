// The table of a run's figures: of each what it is called, where it stands in a result, and which tables show it.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "experiments/results/run_figures.hpp"

namespace dflop {

enum class FigureUnit { kSeconds, kPerSecond, kTeraflops, kShare, kBytes, kNumber };
enum class OverSeedsRule { kMean, kLargest };

struct FigureField {
  /// The largest that a result may say, of any unit: sums and ratios of such figures stay finite.
  static constexpr double kMost = 1e18;

  double RunFigures::*value;
  std::string_view name;      ///< column of table.csv, key in the summary
  std::string_view object{};  ///< of `metrics` that holds it, "a/b" one in another; "": `metrics` itself
  std::string_view key{};     ///< there; "": its name
  FigureUnit unit = FigureUnit::kShare;
  OverSeedsRule over_seeds = OverSeedsRule::kMean;
  double least = -kMost;
  bool optional = false;     ///< older results lack it
  bool unless_zero = false;  ///< written, and shown, only where there is any
  bool wall_clock = false;   ///< and so differs from run to run
  bool in_csv = true;        ///< as a column of its own
  bool in_summary = false;   ///< of result.json, as a plain number
  /// The figure that brings this one along, zero or not, where it is not zero itself.
  double RunFigures::*beside = nullptr;
  // How tables head it, in their order; nullptr where it has no column.
  const char* terminal = nullptr;
  const char* page = nullptr;
  /// Name in the chart of the idle time, which stacks those that have one.
  const char* idle_chart = nullptr;
  /// The figure in whose cell this one stands as a part, there called `part_name`.
  double RunFigures::*part_of = nullptr;
  const char* part_name = nullptr;

  std::string_view key_there() const { return key.empty() ? name : key; }
  bool IsThere(const RunFigures& figures) const {
    return !unless_zero || figures.*value != 0 || (beside != nullptr && figures.*beside != 0);
  }
};

/// In the order of the result and of table.csv.
std::span<const FigureField> FigureFields();

/// The object of a run's metrics that holds the field; made where it is missing.
Json& HolderOf(const FigureField& field, Json& metrics);

/// Those that stand in the cell of `whole`.
std::vector<const FigureField*> PartsOf(const FigureField& whole);

/// Whether a key of `metrics` is measured by the clock on the wall.
bool IsWallClock(std::string_view key);

}  // namespace dflop
