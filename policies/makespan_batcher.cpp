// makespan: assignment and order of microbatches by what counts, the simulated time of the step.
//
// DFLOP (arXiv 2603.25120) balances sums over buckets and leaves the order of buckets to chance. In a pipeline both
// matter: neighbours of unequal size make stages wait for each other, large microbatches at either end of the step
// lengthen its filling and draining, and a message or an encoder's union delays one replica and not the other. This
// batcher starts from another one's plan and looks for buckets whose step is shorter (policies/makespan_search.hpp).
// Its budget counts evaluations, so that it is deterministic; its plan is never longer than the one it starts from.
#include <algorithm>
#include <utility>

#include "policies/corrected_costs.hpp"
#include "policies/makespan_search.hpp"
#include "policies/registry.hpp"
#include "sim/metrics.hpp"
#include "sim/step.hpp"
#include "sim/step_replay.hpp"

namespace dflop {
namespace {

constexpr const char* kStart = "lpt-2d";
constexpr int kEvaluations = 2000;
constexpr int kMostEvaluations = 100'000'000;

/// Seconds of a whole step built anew.
Seconds StepTime(const BatchContext& context, const Buckets& buckets, const AdjustCosts& adjust) {
  if (adjust)
    return StepReplay(context.cost, context.layout, context.orders, context.batch, buckets, adjust).makespan();
  return SimulateStep(context.cost, context.layout, context.orders, {buckets}, context.batch, *MakeReplayEngine())
      .times.makespan;
}

Bytes Peak(const BatchContext& context, const Buckets& buckets) {
  return PeakMemory(context.cost, context.layout, context.orders,
                    DivideWork({buckets}, context.layout, context.cost, context.batch))
      .peak;
}

class MakespanBatcher final : public BatchScheduler {
 public:
  MakespanBatcher(std::unique_ptr<BatchScheduler> start, SearchBudget budget)
      : start_(std::move(start)), budget_(budget) {}

  BatchPlan Schedule(const BatchProblem& problem, RandomStream& random) override {
    BatchPlan plan = start_->Schedule(problem, random);
    const bool searches = problem.context != nullptr && !problem.rehearsal && plan.encoder_buckets.empty();
    if (!searches || problem.buckets() == 1) return plan;
    const AdjustCosts adjust = CorrectedCosts(problem);
    Buckets found = SearchShorterStep(problem, plan.buckets, budget_, adjust, random);
    if (IsBetter(*problem.context, found, plan.buckets, adjust)) plan.buckets = std::move(found);
    return plan;
  }

 private:
  /// Shorter, and in need of no more memory than there is, unless the start needs as much: another order holds other
  /// buckets at the same time, which caps per bucket do not see.
  static bool IsBetter(const BatchContext& context, const Buckets& found, const Buckets& start,
                       const AdjustCosts& adjust) {
    if (StepTime(context, found, adjust) >= StepTime(context, start, adjust)) return false;
    const Bytes allowed = std::max(context.cost.cluster().node.gpu.memory, Peak(context, start));
    return Peak(context, found) <= allowed;
  }

  std::unique_ptr<BatchScheduler> start_;
  SearchBudget budget_;
};

std::unique_ptr<BatchScheduler> MakeStart(const JsonReader& parameters) {
  static const Json kDefault(kStart);
  const auto& registry = Registry<BatchScheduler>::Instance();
  const auto start = parameters.Find("start");
  return registry.Make(start ? *start : JsonReader(kDefault, parameters.file(), parameters.pointer()));
}

const Registration<BatchScheduler> kMakespan{
    {"makespan",
     "assignment and order of microbatches by the simulated step time, from another batcher's plan on",
     {"start", "evaluations"}},
    [](const JsonReader& parameters) {
      const auto evaluations = parameters.IntOr("evaluations", kEvaluations, 0, kMostEvaluations);
      return std::make_unique<MakespanBatcher>(MakeStart(parameters), SearchBudget{static_cast<int>(evaluations)});
    }};

}  // namespace
}  // namespace dflop
