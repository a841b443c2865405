// The judge: whether what a publication states holds here. Nothing but bounds and quantities decides.
#pragma once

#include <string>
#include <vector>

#include "experiments/reproduction/reproduced_figure.hpp"
#include "experiments/reproduction/statements.hpp"

namespace dflop {

struct JudgedClause {
  Clause clause;
  Interval value;
  bool holds = false;
  /// From the nearer bound, positive inside: as a share of that bound, or plain where the bound is zero.
  double distance = 0;
  /// The bound that was missed, or came nearest, lies within the interval: more seeds could turn the verdict.
  bool within_interval = false;
};

struct JudgedStatement {
  Statement statement;
  std::vector<JudgedClause> clauses;
  std::size_t held = 0;

  /// "holds", "holds in part" or "does not hold".
  std::string verdict() const;
  /// Clauses that fail, in words; "" when all hold.
  std::string failing() const;
};

/// InputError where the figure gives no quantity of a clause's name.
JudgedStatement Judge(const Statement& statement, const Quantities& quantities);

/// The value in the clause's unit: "2.21×", "47.3 %", "6.8 h", with ± where there is an interval.
std::string ValueText(const Clause& clause, const Interval& value);
/// "≥ 1.2×", "1.2×–3.6×".
std::string BoundText(const Clause& clause);
/// "12 % inside", "5 % below", "3 % above"; plain numbers where the bound is zero.
std::string DistanceText(const JudgedClause& clause);

}  // namespace dflop
