// What a schedule that looks at times is told of a step: the costs that the simulator predicts for it, per pipeline.
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/index.hpp"
#include "policies/api/infeasible.hpp"
#include "policies/api/layout_pipeline.hpp"
#include "sim/build/deadlock.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/build/step_costs.hpp"

namespace dflop {
namespace {

/// The pipelines of a step: every row of replicas is one (Layout::RowOf), or all of them together, as slow as the
/// slowest, where messages between them would deadlock if one ran microbatch k first and the other last.
class StepProblems {
 public:
  StepProblems(const LayoutPipeline& pipeline, const Job& job, const StepWork& work)
      : pipeline_(pipeline),
        layout_(job.layout),
        alike_(ReplicasMeet(job.layout, work)),
        places_(pipeline.ScheduleStages()) {
    const ScheduleProblem& shape = pipeline.shape();
    ScheduleProblem untimed = shape;
    untimed.times.assign(Index(shape.stages()), std::vector<StageTimes>(Index(shape.microbatches), kNoTime));
    untimed.transfers.assign(Index(shape.stages()) - 1, std::vector<Seconds>(Index(shape.microbatches)));
    problems_.assign(alike_ ? 1 : Index(layout_.rows()), untimed);
    const StepCosts costs = PriceStep(job.cost, layout_, work);
    AddStages(costs);
    AddTransfers(BuildGraph(job, work, costs));
  }

  const std::vector<ScheduleProblem>& all() const { return problems_; }
  int RowOf(std::size_t problem) const { return alike_ ? LayoutPipeline::kAllRows : static_cast<int>(problem); }

 private:
  static constexpr StageTimes kNoTime{Seconds(0), Seconds(0), Seconds(0)};

  ScheduleProblem& ProblemOf(int s) {
    return problems_[alike_ ? 0 : Index(layout_.RowOf(layout_.stages[Index(s)].replica))];
  }

  /// A chunk takes its stages together, a device group at a time; of several groups the slowest counts.
  void AddStages(const StepCosts& costs) {
    std::map<std::pair<int, int>, std::vector<int>> chunks;  // by group and stage of the pipeline
    for (int s = 0; s < static_cast<int>(layout_.stages.size()); ++s) {
      if (places_[Index(s)] >= 0) chunks[{layout_.stages[Index(s)].group, places_[Index(s)]}].push_back(s);
    }
    for (const auto& [chunk, stages] : chunks) {
      std::vector<StageTimes>& slowest = ProblemOf(stages.front()).times[Index(chunk.second)];
      for (int k = 0; k < layout_.microbatches; ++k) {
        StageTimes together = kNoTime;
        for (const int s : stages) AddStage(costs, s, Index(k), together);
        Slower(together, slowest[Index(pipeline_.MicrobatchOf(layout_.stages[Index(stages.front())], k))]);
      }
    }
  }
  static void AddStage(const StepCosts& costs, int s, std::size_t k, StageTimes& times) {
    const PartCost& cost = costs.stages[Index(s)][k];
    times.forward += cost.forward.time;
    if (!costs.needs_backward[Index(s)]) return;
    times.backward_input += cost.backward.time;
    times.backward_weight += cost.weight_gradient.time;
  }
  static void Slower(const StageTimes& one, StageTimes& slowest) {
    slowest.forward = std::max(slowest.forward, one.forward);
    slowest.backward_input = std::max(slowest.backward_input, one.backward_input);
    slowest.backward_weight = std::max(slowest.backward_weight, one.backward_weight);
  }

  /// The messages forward are those of the step's graph, whatever its orders are; the way back is as long.
  void AddTransfers(const OperationGraph& graph) {
    for (std::size_t i = 0; i < graph.operations.size(); ++i) {
      const Operation& operation = graph.operations[i];
      if (operation.kind != OpKind::kTransfer) continue;
      const int from = places_[Index(operation.stage)];
      if (from < 0 || places_[Index(operation.to_stage)] != from + 1) continue;
      const int k = pipeline_.MicrobatchOf(layout_.stages[Index(operation.stage)], operation.microbatch);
      Seconds& longest = ProblemOf(operation.stage).transfers[Index(from)][Index(k)];
      longest = std::max(longest, graph.durations[i]);
    }
  }

  const LayoutPipeline& pipeline_;
  const Layout& layout_;
  bool alike_;
  std::vector<int> places_;
  std::vector<ScheduleProblem> problems_;
};

std::vector<DeviceOrder> Asked(const PipelineSchedule& schedule, const ScheduleProblem& problem) {
  try {
    return schedule.Orders(problem);
  } catch (const Infeasible& reason) {  // in the midst of a step, where others are at work
    throw Infeasible(reason.what(), "/pipeline");
  }
}

/// A schedule knows nothing of messages that block, nor of microbatches that wait for what an earlier one encodes.
void CheckEnds(const Job& job, const StepWork& work) {
  if (!job.cost.software().blocking_sends && work.encoded_in.empty()) return;
  const std::string stuck = WhyDeadlocked(job, work);
  if (!stuck.empty()) throw Infeasible("its orders of a step deadlock: " + stuck, "/pipeline");
}

}  // namespace

std::vector<DeviceOrder> OrdersOfStep(const PipelineSchedule& schedule, const Job& job, const StepWork& work) {
  if (!schedule.per_step()) return {};
  const LayoutPipeline pipeline(schedule, job.layout);
  const StepProblems problems(pipeline, job, work);
  std::vector<DeviceOrder> orders(job.layout.groups.size());
  for (std::size_t p = 0; p < problems.all().size(); ++p) {
    pipeline.Give(Asked(schedule, problems.all()[p]), problems.RowOf(p), orders);
  }
  if (orders == job.orders) return {};
  CheckEnds(job.With(orders), work);
  return orders;
}

}  // namespace dflop
