// What a schedule that looks at times is told of a step: the costs that the simulator predicts for it, per pipeline.
#include <algorithm>

#include "base/index.hpp"
#include "policies/api/layout_pipeline.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/build/step_costs.hpp"

namespace dflop {
namespace {

class StepProblems {
 public:
  StepProblems(const LayoutPipeline& pipeline, const Job& job, const StepWork& work)
      : shape_(pipeline.shape()),
        places_(pipeline.ScheduleStages()),
        layout_(job.layout),
        costs_(PriceStep(job.cost, job.layout, work)),
        graph_(BuildGraph(job, work, costs_)) {}

  /// Of one replica, or the slowest of all.
  ScheduleProblem Of(int replica) const {
    ScheduleProblem problem = shape_;
    const std::size_t stages = Index(shape_.stages());
    const std::size_t microbatches = Index(shape_.microbatches);
    problem.times.assign(stages, std::vector<StageTimes>(microbatches, kNoTime));
    problem.transfers.assign(stages - 1, std::vector<Seconds>(microbatches));
    AddStages(replica, problem);
    AddTransfers(replica, problem);
    return problem;
  }

 private:
  static constexpr StageTimes kNoTime{Seconds(0), Seconds(0), Seconds(0)};

  bool Belongs(int s, int replica) const {
    return replica == LayoutPipeline::kAllReplicas || layout_.stages[Index(s)].replica == replica;
  }

  /// A chunk takes its stages together, a device group at a time; of several groups the slowest counts.
  void AddStages(int replica, ScheduleProblem& problem) const {
    for (std::size_t g = 0; g < layout_.groups.size(); ++g) {
      std::vector<std::vector<StageTimes>> group(problem.times.size());
      for (int s = 0; s < static_cast<int>(layout_.stages.size()); ++s) {
        if (layout_.stages[Index(s)].group != static_cast<int>(g) || !Belongs(s, replica)) continue;
        auto& row = group[Index(places_[Index(s)])];
        row.resize(Index(shape_.microbatches), kNoTime);
        for (int k = 0; k < shape_.microbatches; ++k) AddStage(s, k, row[Index(k)]);
      }
      for (std::size_t stage = 0; stage < group.size(); ++stage) {
        for (std::size_t k = 0; k < group[stage].size(); ++k) Slower(group[stage][k], problem.times[stage][k]);
      }
    }
  }
  void AddStage(int s, int k, StageTimes& times) const {
    const PartCost& cost = costs_.stages[Index(s)][Index(k)];
    times.forward += cost.forward.time;
    if (!costs_.needs_backward[Index(s)]) return;
    times.backward_input += cost.backward.time;
    times.backward_weight += cost.weight_gradient.time;
  }
  static void Slower(const StageTimes& one, StageTimes& slowest) {
    slowest.forward = std::max(slowest.forward, one.forward);
    slowest.backward_input = std::max(slowest.backward_input, one.backward_input);
    slowest.backward_weight = std::max(slowest.backward_weight, one.backward_weight);
  }

  /// The messages forward are those of the step's graph, whatever its orders are; the way back is as long.
  void AddTransfers(int replica, ScheduleProblem& problem) const {
    for (const Operation& operation : graph_.operations) {
      if (operation.kind != OpKind::kTransfer || !Belongs(operation.stage, replica)) continue;
      const int from = places_[Index(operation.stage)];
      if (places_[Index(operation.to_stage)] != from + 1) continue;
      Seconds& longest = problem.transfers[Index(from)][Index(operation.microbatch)];
      longest = std::max(longest, operation.duration);
    }
  }

  const ScheduleProblem& shape_;
  std::vector<int> places_;
  const Layout& layout_;
  StepCosts costs_;
  OperationGraph graph_;
};

/// Replicas that hand microbatch k to one another deadlock when one of them runs it first and the other last.
bool MustGoAlike(const Layout& layout, const StepWork& work) { return layout.joins() || !work.routes.empty(); }

}  // namespace

std::vector<DeviceOrder> OrdersOfStep(const PipelineSchedule& schedule, const Job& job, const StepWork& work) {
  if (!schedule.per_step()) return {};
  const LayoutPipeline pipeline(schedule, job.layout);
  const StepProblems problems(pipeline, job, work);
  std::vector<DeviceOrder> orders(job.layout.groups.size());
  const bool alike = MustGoAlike(job.layout, work);
  for (int r = 0; r < (alike ? 1 : job.layout.llm_replicas()); ++r) {
    const int replica = alike ? LayoutPipeline::kAllReplicas : r;
    pipeline.Give(schedule.Orders(problems.Of(replica)), replica, orders);
  }
  return orders == job.orders ? std::vector<DeviceOrder>() : orders;
}

}  // namespace dflop
