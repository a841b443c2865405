// uniform-tuned: the best homogeneous layout there is, found by simulating all of them.
//
// The yardstick of a team that tunes its parallel degrees but keeps one set for encoder and LLM. Judged with the
// batcher that will run, so that `random` and a balancing batcher may get different layouts. A layout is dropped
// unsimulated only when its busiest device alone needs longer than the best step found.
#include "policies/registry.hpp"
#include "policies/uniform_layouts.hpp"

namespace dflop {
namespace {

class UniformTuned final : public LayoutPlanner {
 public:
  LayoutDecision Plan(const PlanningProblem& problem) const override {
    return BestUniform(problem, UniformDegrees(problem.cost.model(), problem.cost.cluster(), problem.schedule.chunks()),
                       "homogeneous layout");
  }
};

const Registration<LayoutPlanner> kUniformTuned{
    {"uniform-tuned", "best homogeneous layout by exhaustive simulation, encoder in the first stages", {}},
    [](const JsonReader&) { return std::make_unique<UniformTuned>(); }};

}  // namespace
}  // namespace dflop
