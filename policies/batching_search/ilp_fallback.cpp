// The plan says that it stands in, and why: figures must not pass as the integer program's.
#include "policies/batching_search/ilp_fallback.hpp"

#include "base/text.hpp"
#include "policies/api/registry.hpp"
#include "policies/batching_search/integer_program.hpp"

namespace dflop {

BatchPlan LptPlan(const BatchProblem& problem, RandomStream& random) {
  const Json name("lpt-2d");
  return Registry<BatchScheduler>::Instance().Make(JsonReader(name, ""))->Schedule(problem, random);
}

std::optional<BatchPlan> PlanWithoutSolver(const BatchProblem& problem, std::int64_t max_binaries,
                                           RandomStream& random) {
  const std::int64_t binaries = std::int64_t{problem.samples()} * problem.buckets();
  const bool no_solver = IntegerProgramSolver().empty();
  if (!no_solver && binaries <= max_binaries) return std::nullopt;
  BatchPlan plan = LptPlan(problem, random);
  plan.instead = "lpt-2d";
  plan.note = no_solver ? "built without an integer-program solver: lpt-2d instead"
                        : Format("%lld binary variables, more than max_binaries: lpt-2d instead",
                                 static_cast<long long>(binaries));
  return plan;
}

}  // namespace dflop
