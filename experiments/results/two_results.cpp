// A row is compared over the seeds that both sides have; where they have none in common, over all of each.
#include "experiments/results/two_results.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.hpp"
#include "experiments/results/figure_fields.hpp"
#include "experiments/results/result_rows.hpp"

namespace dflop {
namespace {

using Rows = std::vector<ResultRow>;

/// How much of a row's name has to be equal.
enum class MatchBy { kAll, kPointAndPolicy, kPolicy };

const char* MatchInWords(MatchBy by) {
  if (by == MatchBy::kAll) return "scenario, point and policy";
  return by == MatchBy::kPolicy ? "policy" : "point and policy";
}

/// Where a row of A and one of B are the same, their keys are.
class MatchKeys {
 public:
  MatchKeys(const ResultMatching& matching, MatchBy by) : matching_(matching), by_(by) {}

  std::string InA(const std::string& scenario, const std::string& point) const { return Key(scenario, point); }

  /// What a scenario of A was told to be compared with is no other's.
  std::string InB(const std::string& scenario, const std::string& point) const {
    for (const auto& [of_a, of_b] : matching_.scenarios) {
      if (of_b == scenario) return Key(of_a, point);
    }
    return matching_.scenarios.contains(scenario) ? Key(scenario, point) + " of B alone" : Key(scenario, point);
  }

 private:
  std::string Key(const std::string& scenario, const std::string& point) const {
    return Json(Json::Array{by_ == MatchBy::kAll ? scenario : "", by_ == MatchBy::kPolicy ? "" : point}).Dump();
  }

  const ResultMatching& matching_;
  MatchBy by_;
};

/// The rows of B by place and policy.
using RowsByKey = std::map<std::pair<std::string, std::string>, const ResultRow*>;

RowsByKey ByKey(const Rows& rows, const MatchKeys& keys) {
  RowsByKey by_key;
  for (const ResultRow& row : rows) by_key.emplace(std::pair(keys.InB(row.scenario, row.point), row.policy), &row);
  return by_key;
}

bool AnyMatches(const Rows& a, const Rows& b, const MatchKeys& keys) {
  const RowsByKey in_b = ByKey(b, keys);
  return std::any_of(a.begin(), a.end(), [&](const ResultRow& row) {
    return in_b.contains({keys.InA(row.scenario, row.point), row.policy});
  });
}

std::vector<std::string> Different(const Rows& rows, std::string ResultRow::*word) {
  std::vector<std::string> words;
  for (const ResultRow& row : rows) {
    if (std::find(words.begin(), words.end(), row.*word) == words.end()) words.push_back(row.*word);
  }
  return words;
}

MatchBy ChooseMatch(const Rows& a, const Rows& b, const ResultMatching& matching) {
  const auto matches = [&](MatchBy by) { return AnyMatches(a, b, MatchKeys(matching, by)); };
  const auto one = [&](std::string ResultRow::*word) {
    return Different(a, word).size() == 1 && Different(b, word).size() == 1;
  };
  if (matches(MatchBy::kAll)) return MatchBy::kAll;
  if (one(&ResultRow::scenario)) {
    if (matches(MatchBy::kPointAndPolicy)) return MatchBy::kPointAndPolicy;
    if (one(&ResultRow::point) && matches(MatchBy::kPolicy)) return MatchBy::kPolicy;
  }
  throw InputError("nothing to compare: no scenario, point and policy is in both. A has the scenarios " +
                   JoinNames(Different(a, &ResultRow::scenario)) + " with the policies " +
                   JoinNames(Different(a, &ResultRow::policy)) + ", B " +
                   JoinNames(Different(b, &ResultRow::scenario)) + " with " +
                   JoinNames(Different(b, &ResultRow::policy)) + "; --scenario A=B says which belong together");
}

void CheckName(const char* flag, const std::string& name, const std::vector<std::string>& known, const char* where) {
  if (std::find(known.begin(), known.end(), name) != known.end()) return;
  const std::string nearest = NearestName(name, known);
  throw InputError(std::string(flag) + ": " + JsonQuote(name) + " is not in " + where +
                   (nearest.empty() ? "" : ", did you mean " + JsonQuote(nearest) + "?") +
                   " There are: " + JoinNames(known));
}

void CheckMatching(const Rows& a, const Rows& b, const ResultMatching& matching) {
  std::set<std::string> of_b;
  for (const auto& [in_a, in_b] : matching.scenarios) {
    CheckName("--scenario", in_a, Different(a, &ResultRow::scenario), "A");
    CheckName("--scenario", in_b, Different(b, &ResultRow::scenario), "B");
    if (!of_b.insert(in_b).second) throw InputError("--scenario: " + JsonQuote(in_b) + " of B is named twice");
  }
  std::vector<std::string> policies = Different(a, &ResultRow::policy);
  for (std::string& policy : Different(b, &ResultRow::policy)) policies.push_back(std::move(policy));
  for (const std::string& policy : matching.policies) CheckName("--policy", policy, policies, "either result");
}

Rows Wanted(Rows rows, const std::vector<std::string>& policies) {
  if (policies.empty()) return rows;
  std::erase_if(rows, [&](const ResultRow& row) {
    return std::find(policies.begin(), policies.end(), row.policy) == policies.end();
  });
  return rows;
}

RowSide SideOf(const ResultRow& row, const std::vector<std::int64_t>& seeds) {
  RowSide side;
  if (row.of_all_seeds) side.infeasible = row.of_all_seeds->infeasible;
  std::vector<RunFigures> figures;
  for (const std::int64_t seed : seeds) {
    const StoredRun* run = row.Find(seed);
    if (!run->infeasible.empty()) {
      side.infeasible = run->infeasible;
      continue;
    }
    figures.push_back(run->figures);
    side.seeds.push_back(seed);
    side.step_s.push_back(run->figures.iteration_time_s);
  }
  if (!figures.empty()) side.infeasible.clear();
  if (!figures.empty()) side.figures = OverSeeds(figures);
  return side;
}

/// Seeds of a row that have figures.
std::vector<std::int64_t> FeasibleSeeds(const ResultRow& row) {
  std::vector<std::int64_t> seeds;
  for (const auto& [seed, run] : row.by_seed) {
    if (run.infeasible.empty()) seeds.push_back(seed);
  }
  return seeds;
}

std::vector<std::int64_t> AllSeeds(const ResultRow& row) {
  std::vector<std::int64_t> seeds;
  for (const auto& [seed, run] : row.by_seed) seeds.push_back(seed);
  return seeds;
}

std::vector<std::int64_t> Common(const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) {
  std::vector<std::int64_t> common;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(common));
  return common;
}

/// Of these seeds, how many differ in a member of their run; nullopt where one does not have it.
std::optional<std::size_t> CountOthers(const ResultRow& a, const ResultRow& b, const std::vector<std::int64_t>& seeds,
                                       const char* key) {
  if (seeds.empty()) return std::nullopt;
  std::size_t others = 0;
  for (const std::int64_t seed : seeds) {
    const auto in_a = a.Find(seed)->run.Find(key);
    const auto in_b = b.Find(seed)->run.Find(key);
    if (!in_a || !in_b) return std::nullopt;
    others += in_a->json() == in_b->json() ? 0 : 1;
  }
  return others;
}

ComparedRow CompareRows(const ResultRow& a, const ResultRow& b) {
  ComparedRow row{.scenario = a.scenario, .point = a.point, .policy = a.policy};
  const std::vector<std::int64_t> common = Common(FeasibleSeeds(a), FeasibleSeeds(b));
  row.paired = !common.empty();
  row.a = SideOf(a, row.paired ? common : AllSeeds(a));
  row.b = SideOf(b, row.paired ? common : AllSeeds(b));
  if (row.paired) {
    row.ratio = RatioOfMeans(row.b.step_s, row.a.step_s);
  } else if (!row.a.seeds.empty() && !row.b.seeds.empty()) {
    row.ratio = Interval{row.b.figures.iteration_time_s / row.a.figures.iteration_time_s, std::nullopt};
  }
  row.other_layouts = CountOthers(a, b, common, "layout");
  row.other_decisions = CountOthers(a, b, common, "decision_hash");
  return row;
}

std::vector<std::string> Ranked(std::vector<const ComparedRow*> rows, RowSide ComparedRow::*side) {
  std::stable_sort(rows.begin(), rows.end(), [&](const ComparedRow* x, const ComparedRow* y) {
    return (x->*side).figures.iteration_time_s < (y->*side).figures.iteration_time_s;
  });
  std::vector<std::string> policies;
  policies.reserve(rows.size());
  for (const ComparedRow* row : rows) policies.push_back(row->policy);
  return policies;
}

std::optional<Interval> LeadInB(const std::vector<const ComparedRow*>& rows, const RankOrder& order) {
  const auto side = [&](const std::string& policy) -> const RowSide& {
    return (*std::find_if(rows.begin(), rows.end(), [&](const ComparedRow* row) { return row->policy == policy; }))->b;
  };
  const RowSide& was = side(order.in_a.front());
  const RowSide& is = side(order.in_b.front());
  if (was.seeds == is.seeds) return RatioOfMeans(was.step_s, is.step_s);
  return Interval{was.figures.iteration_time_s / is.figures.iteration_time_s, std::nullopt};
}

std::vector<RankOrder> RankOrders(const std::vector<ComparedRow>& rows) {
  std::vector<RankOrder> orders;
  std::set<std::pair<std::string, std::string>> done;
  for (const ComparedRow& first : rows) {
    if (!done.emplace(first.scenario, first.point).second) continue;
    std::vector<const ComparedRow*> here;
    for (const ComparedRow& row : rows) {
      const bool choice = row.has_figures() && row.a.figures.fits && row.b.figures.fits;
      if (row.scenario == first.scenario && row.point == first.point && choice) here.push_back(&row);
    }
    if (here.size() < 2) continue;
    RankOrder& order = orders.emplace_back(RankOrder{first.scenario, first.point});
    order.in_a = Ranked(here, &ComparedRow::a);
    order.in_b = Ranked(here, &ComparedRow::b);
    if (order.other_fastest()) order.lead = LeadInB(here, order);
  }
  return orders;
}

}  // namespace

MovedCause MostMovedCause(const ComparedRow& row) {
  MovedCause moved;
  for (const FigureField& field : FigureFields()) {
    if (field.object != "idle_by_cause") continue;
    const double change = row.b.figures.*field.value - row.a.figures.*field.value;
    if (!moved.name.empty() && std::abs(change) <= std::abs(moved.change)) continue;
    moved = {std::string(field.name), change};
  }
  std::replace(moved.name.begin(), moved.name.end(), '_', ' ');
  return moved;
}

TwoResults CompareTwoResults(const JsonReader& a, const JsonReader& b, const ResultMatching& matching) {
  Rows in_a = ReadRows(a);
  Rows in_b = ReadRows(b);
  CheckMatching(in_a, in_b, matching);
  in_a = Wanted(std::move(in_a), matching.policies);
  in_b = Wanted(std::move(in_b), matching.policies);
  const MatchBy by = ChooseMatch(in_a, in_b, matching);
  const MatchKeys keys(matching, by);
  RowsByKey unmatched = ByKey(in_b, keys);
  TwoResults comparison{.matched_by = MatchInWords(by)};
  for (const ResultRow& row : in_a) {
    const auto found = unmatched.find({keys.InA(row.scenario, row.point), row.policy});
    if (found == unmatched.end()) {
      comparison.only_a.push_back(row.name);
      continue;
    }
    comparison.rows.push_back(CompareRows(row, *found->second));
    unmatched.erase(found);
  }
  for (const ResultRow& row : in_b) {
    if (unmatched.contains({keys.InB(row.scenario, row.point), row.policy})) comparison.only_b.push_back(row.name);
  }
  comparison.differences = FindInputDifferences(
      a, b, [&](const std::string& scenario, const std::string& point) { return keys.InA(scenario, point); },
      [&](const std::string& scenario, const std::string& point) { return keys.InB(scenario, point); });
  comparison.ranks = RankOrders(comparison.rows);
  return comparison;
}

}  // namespace dflop
