// A mean within rounding of a bound holds: sums of a thousand steps do not end on the bit.
#include "experiments/reproduction/verdict.hpp"

#include <cmath>

#include "base/error.hpp"
#include "base/text.hpp"

namespace dflop {
namespace {

constexpr double kRounding = 1e-9;

/// How far inside the bound; negative outside.
double Inside(double value, double bound, bool is_least) {
  const double plain = is_least ? value - bound : bound - value;
  return bound == 0 ? plain : plain / std::abs(bound);
}

JudgedClause JudgeClause(const Clause& clause, const Interval& value) {
  JudgedClause judged{clause, value};
  double bound = 0;
  judged.distance = HUGE_VAL;
  for (const bool is_least : {true, false}) {
    const double candidate = is_least ? clause.least : clause.most;
    if (!std::isfinite(candidate)) continue;
    const double inside = Inside(value.mean, candidate, is_least);
    if (inside < judged.distance) judged.distance = inside, bound = candidate;
  }
  judged.holds = judged.distance >= -kRounding;
  judged.within_interval = value.half_width && std::abs(value.mean - bound) <= *value.half_width;
  return judged;
}

std::string InUnit(double value, const std::string& unit) {
  if (unit == "%") return Format("%.4g %%", 100 * value);
  if (unit == "x") return Format("%.3g×", value);
  return Format(unit.empty() ? "%.4g" : "%.3g", value) + (unit.empty() ? "" : " " + unit);
}

}  // namespace

std::string JudgedStatement::verdict() const {
  if (held == clauses.size()) return "holds";
  return held == 0 ? "does not hold" : "holds in part";
}

std::string JudgedStatement::failing() const {
  constexpr std::size_t kTold = 3;
  std::string text;
  const std::size_t failed = clauses.size() - held;
  std::size_t told = 0;
  for (const JudgedClause& clause : clauses) {
    if (clause.holds || told == kTold) continue;
    text += (text.empty() ? "" : "; ") + clause.clause.says;
    ++told;
  }
  if (failed == 0) return "";
  if (failed > kTold) text += "; and " + std::to_string(failed - kTold) + " more";
  return std::to_string(failed) + " of " + std::to_string(clauses.size()) +
         (clauses.size() == 1 ? " clause" : " clauses") + (failed == 1 ? " fails: " : " fail: ") + text;
}

JudgedStatement Judge(const Statement& statement, const Quantities& quantities) {
  JudgedStatement judged{statement, {}, 0};
  for (const Clause& clause : statement.clauses) {
    const auto found = quantities.find(clause.quantity);
    if (found == quantities.end()) {
      std::vector<std::string> names;
      for (const auto& [name, value] : quantities) names.push_back(name);
      throw InputError(statement.figure + ": there is no quantity \"" + clause.quantity +
                       "\" to judge by, there are: " + JoinNames(names));
    }
    if (!std::isfinite(found->second.mean)) {
      throw InputError(statement.figure + ": the quantity \"" + clause.quantity +
                       "\" is no finite number; its result lacks what it is worked out from");
    }
    judged.clauses.push_back(JudgeClause(clause, found->second));
    judged.held += judged.clauses.back().holds ? 1 : 0;
  }
  return judged;
}

std::string ValueText(const Clause& clause, const Interval& value) {
  const std::string text = InUnit(value.mean, clause.unit);
  if (!value.half_width) return text;
  return text + " ± " +
         (clause.unit == "%" ? Format("%.2g", 100 * *value.half_width) : Format("%.2g", *value.half_width));
}

std::string BoundText(const Clause& clause) {
  if (!std::isfinite(clause.most)) return "≥ " + InUnit(clause.least, clause.unit);
  if (!std::isfinite(clause.least)) return "≤ " + InUnit(clause.most, clause.unit);
  return InUnit(clause.least, clause.unit) + "–" + InUnit(clause.most, clause.unit);
}

std::string DistanceText(const JudgedClause& clause) {
  if (std::abs(clause.distance) <= kRounding) return "at the bound";
  constexpr double kWhole = 0.1;
  const bool of_bound = clause.clause.least != 0 && clause.clause.most != 0;
  const double size = std::abs(clause.distance);
  const std::string text =
      of_bound ? Format("%.*f %%", size < kWhole ? 1 : 0, 100 * size) : InUnit(size, clause.clause.unit);
  const bool above = clause.value.mean > clause.clause.most;
  return text +
         (clause.holds ? " inside"
          : above      ? " above"
                       : " below") +
         (clause.within_interval ? ", less than the interval" : "");
}

}  // namespace dflop
