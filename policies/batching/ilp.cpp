// dflop-ilp: the paper's integer program (arXiv 2603.25120, section 3.4.1) by a general solver, else LPT.
//
// The paper solves it "under a strict time limit" that it does not state and falls back to LPT when the solver does not
// converge; "converged" is not defined. Here the budget is a number of branch-and-bound nodes ("max_nodes") and of
// binary variables ("max_binaries"; a larger program goes straight to LPT), so that results do not depend on the
// machine. "time_limit_s", wall clock, makes them depend on it; there is none by default. The solver's best plan is
// used where it is better than LPT's, proven or not; the note tells its value, the proven gap, and what was used.
//
// As in the paper no bucket need hold a sample, no memory is looked at, and the encoder is bounded bucket by bucket. A
// bucket that stays empty, which no run allows, takes the smallest sample of the fullest bucket that has two.
#include <algorithm>
#include <memory>
#include <utility>

#include "base/index.hpp"
#include "base/text.hpp"
#include "policies/api/registry.hpp"
#include "policies/batching_search/batch_checks.hpp"
#include "policies/batching_search/equal_counts.hpp"
#include "policies/batching_search/ilp_fallback.hpp"
#include "policies/batching_search/integer_program.hpp"

namespace dflop {
namespace {

struct Budget {
  IntegerProgramLimits limits;
  std::int64_t max_binaries = 0;
};

void FillEmptyBuckets(const BatchProblem& problem, std::vector<std::vector<int>>& buckets) {
  const auto size = [&](int i) {
    double largest = 0;
    for (const auto& dimension : problem.costs) largest = std::max(largest, dimension[Index(i)]);
    return largest;
  };
  const auto by_size = [&](int a, int b) { return size(a) < size(b); };
  for (auto& bucket : buckets) {
    if (!bucket.empty()) continue;
    auto& fullest = *std::max_element(buckets.begin(), buckets.end(),
                                      [](const auto& a, const auto& b) { return a.size() < b.size(); });
    const auto smallest = std::min_element(fullest.begin(), fullest.end(), by_size);
    bucket.push_back(*smallest);
    fullest.erase(smallest);
  }
}

class IlpBatcher final : public BatchScheduler {
 public:
  explicit IlpBatcher(Budget budget) : budget_(budget) {}

  BatchPlan Schedule(const BatchProblem& problem, RandomStream& random) override {
    CheckBatch(problem);
    if (std::optional<BatchPlan> plan = PlanWithoutSolver(problem, budget_.max_binaries, random)) return *plan;
    return Better(problem, SolveIntegerProgram({problem.costs, problem.buckets(), false, {}}, budget_.limits),
                  LptPlan(problem, random));
  }

 private:
  static BatchPlan Better(const BatchProblem& problem, IntegerProgramAnswer answer, BatchPlan lpt) {
    const double fallback = LargestBucket(problem, lpt);
    if (answer.buckets.empty()) {
      lpt.note = Format("%s found no plan within its budget: lpt-2d instead", IntegerProgramSolver().c_str());
      return lpt;
    }
    const double gap = answer.bound > 0 ? 100 * (answer.largest / answer.bound - 1) : 0;
    const bool better = answer.largest < fallback;
    const std::string note = Format(
        "%s: largest bucket %.6g s, %s, gap %.3f %%; lpt-2d %.6g s%s", IntegerProgramSolver().c_str(), answer.largest,
        answer.optimal ? "optimal" : "not proven", gap, fallback, better ? "" : ", used instead");
    if (better) {
      FillEmptyBuckets(problem, answer.buckets);
      lpt = PlanOfBuckets(problem, std::move(answer.buckets));
    }
    lpt.note = note;
    return lpt;
  }

  Budget budget_;
};

const Registration<BatchScheduler> kIlp{
    {"dflop-ilp",
     "DFLOP's integer program by CBC within a budget, else lpt-2d (arXiv 2603.25120, 3.4.1)",
     {{.name = "max_nodes",
       .type = Parameter::Integer{1, 1'000'000'000},
       .standard = 200,
       .help = "branch-and-bound nodes of CBC"},
      {.name = "max_binaries",
       .type = Parameter::Integer{1, 10'000'000},
       .standard = 1'500,
       .help = "samples × buckets above which lpt-2d stands in"},
      {.name = "time_limit_s",
       .type = Parameter::Number{0.001, 1e6},
       .unit = "s",
       .help = "of CBC's own time; makes results depend on the machine"}}},
    [](const Parameters& given) {
      Budget budget;
      budget.limits.max_nodes = static_cast<int>(given.Int("max_nodes"));
      budget.max_binaries = given.Int("max_binaries");
      if (given.Given("time_limit_s")) budget.limits.time_limit_s = given.Number("time_limit_s");
      return std::make_unique<IlpBatcher>(budget);
    }};

}  // namespace
}  // namespace dflop
