// The regrets of a whole result as rows and columns, ready to be drawn.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/statistics.hpp"
#include "experiments/results/result_figures.hpp"

namespace dflop {

struct RegretCell {
  std::optional<SeedInterval> regret;  ///< none where the policy has no figures or does not fit
  std::string text;  ///< the regret in %, "best", or why there is none; "" where the policy did not run
  std::string tip;   ///< the same in full
};

/// A scenario at one point; or without cells the heading over the points of a scenario.
struct RegretRow {
  std::string label;
  std::vector<RegretCell> cells;  ///< one per policy of the table
};

struct RegretTable {
  std::string axes;                   ///< of the sweep, as the labels of the rows give their values; "" without one
  std::vector<std::string> policies;  ///< in the order in which they first occur, with the mark of training_changes.hpp
  std::vector<RegretRow> rows;
  /// Means over the rows in which every policy has a figure, since means over different rows would not compare (left
  /// out where no row is so complete), and every policy's largest.
  std::vector<RegretRow> summary;
};

/// Regrets as regret.hpp defines them, each against the best of its own point.
RegretTable MakeRegretTable(std::span<const PointFigures> points);

/// Whether there is something to see: two points at least at which policies differ in nothing but themselves.
bool HasRegrets(std::span<const PointFigures> points);

}  // namespace dflop
