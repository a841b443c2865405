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
#include "sim/build/replica_classes.hpp"
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
        alike_(ReplicasMeet(job.layout, work) || MeetWithinStep(job.cost, job.layout)),
        places_(pipeline.ScheduleStages()),
        spread_(pipeline.SpreadPlaces()) {
    const ScheduleProblem& shape = pipeline.shape();
    ScheduleProblem untimed = shape;
    untimed.times.assign(Index(shape.stages()), std::vector<StageTimes>(Index(shape.microbatches), kNoTime));
    untimed.transfers.assign(Index(shape.stages()) - 1, std::vector<Seconds>(Index(shape.microbatches)));
    problems_.assign(alike_ ? 1 : Index(layout_.rows()), untimed);
    const StepCosts costs = PriceStep(job.cost, layout_, work);
    AddStages(costs);
    const OperationGraph graph = BuildGraph(job, work, costs);
    AddTransfers(graph);
    if (shape.encoders == 0) return;
    AddEncoders(costs);
    AddEncoderTransfers(graph);
  }

  const std::vector<ScheduleProblem>& all() const { return problems_; }
  /// Whether there was anything to forget.
  bool ForgetEncoderTimes() {
    const bool knew = !problems_.front().encoder_times.empty();
    problems_.front().encoder_times.clear();
    problems_.front().encoder_transfers.clear();
    return knew;
  }
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
        for (const int s : stages) {
          for (int unit = k * layout_.splits; unit < (k + 1) * layout_.splits; ++unit) {
            AddStage(costs, s, Index(unit), together);
          }
        }
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
      const int of_replica = layout_.MicrobatchOf(operation.microbatch);
      const int k = pipeline_.MicrobatchOf(layout_.stages[Index(operation.stage)], of_replica);
      Seconds& longest = ProblemOf(operation.stage).transfers[Index(from)][Index(k)];
      longest = std::max(longest, graph.durations[i] * layout_.splits);  // of a whole microbatch
    }
  }

  /// What is spread ties all replicas together, so that they are one problem.
  void AddEncoders(const StepCosts& costs) {
    ScheduleProblem& problem = problems_.front();
    const std::vector<StageTimes> none(Index(problem.microbatches), kNoTime);
    problem.encoder_times.assign(Index(problem.devices), {Index(problem.encoders), none});
    for (int s = 0; s < static_cast<int>(layout_.stages.size()); ++s) {
      const auto [device, encoder] = spread_[Index(s)];
      if (device < 0) continue;
      std::vector<StageTimes>& slowest = problem.encoder_times[Index(device)][Index(encoder)];
      for (std::size_t k = 0; k < slowest.size(); ++k) {
        StageTimes share = kNoTime;
        AddStage(costs, s, k, share);
        Slower(share, slowest[k]);
      }
    }
  }

  /// Of the encoder whose messages take longest: what a hub gathers, then all that is sent, which a hub does one after
  /// the other. The way back is as long.
  void AddEncoderTransfers(const OperationGraph& graph) {
    ScheduleProblem& problem = problems_.front();
    struct Messages {
      Seconds gathered{0}, sent{0};
    };
    std::map<std::pair<int, int>, Messages> messages;  // by module and microbatch
    for (std::size_t i = 0; i < graph.operations.size(); ++i) {
      const Operation& operation = graph.operations[i];
      if (operation.kind != OpKind::kTransfer || spread_[Index(operation.stage)].device < 0) continue;
      const int module = layout_.stages[Index(operation.stage)].parts.front().module;
      Messages& of_microbatch = messages[{module, operation.microbatch}];
      if (operation.to_stage == operation.stage) {  // gathered before and scattered behind, which takes about as long
        of_microbatch.gathered = std::max(of_microbatch.gathered, graph.durations[i]);
      } else if (layout_.communicator.hub()) {
        of_microbatch.sent += graph.durations[i];
      } else {
        of_microbatch.sent = std::max(of_microbatch.sent, graph.durations[i]);
      }
    }
    problem.encoder_transfers.assign(Index(problem.microbatches), Seconds(0));
    for (const auto& [place, one] : messages) {
      Seconds& longest = problem.encoder_transfers[Index(place.second)];
      longest = std::max(longest, one.gathered + one.sent);
    }
  }

  const LayoutPipeline& pipeline_;
  const Layout& layout_;
  bool alike_;
  std::vector<int> places_;
  std::vector<LayoutPipeline::SpreadPlace> spread_;
  std::vector<ScheduleProblem> problems_;
};

std::vector<DeviceOrder> Asked(const PipelineSchedule& schedule, const ScheduleProblem& problem) {
  try {
    return schedule.Orders(problem);
  } catch (const Infeasible& reason) {  // in the midst of a step, where others are at work
    throw Infeasible(reason.what(), "/pipeline");
  }
}

/// A schedule knows nothing of messages that block, of microbatches that wait for what an earlier one encodes, nor of
/// devices that reduce or exchange something microbatch by microbatch.
std::string WhyStuck(const Job& job, const StepWork& work) {
  const bool meet = job.cost.software().blocking_sends || MeetWithinStep(job.cost, job.layout);
  return meet || !work.encoded_in.empty() ? WhyDeadlocked(job, work) : "";
}

std::vector<DeviceOrder> Answers(const PipelineSchedule& schedule, const LayoutPipeline& pipeline,
                                 const StepProblems& problems, const Layout& layout) {
  std::vector<DeviceOrder> orders(layout.groups.size());
  for (std::size_t p = 0; p < problems.all().size(); ++p) {
    pipeline.Give(Asked(schedule, problems.all()[p]), problems.RowOf(p), orders);
  }
  return orders;
}

}  // namespace

std::vector<DeviceOrder> OrdersOfStep(const PipelineSchedule& schedule, const Job& job, const StepWork& work) {
  if (!schedule.per_step()) return {};
  const LayoutPipeline pipeline(schedule, job.layout);
  StepProblems problems(pipeline, job, work);
  std::vector<DeviceOrder> orders = Answers(schedule, pipeline, problems, job.layout);
  if (orders == job.orders) return {};
  std::string stuck = WhyStuck(job.With(orders), work);
  // Encoders that a schedule placed by times it may yet have to leave before and behind the pipeline.
  if (!stuck.empty() && problems.ForgetEncoderTimes()) {
    orders = Answers(schedule, pipeline, problems, job.layout);
    if (orders == job.orders) return {};
    stuck = WhyStuck(job.With(orders), work);
  }
  // What an order by times overtakes may wait for what an earlier microbatch encodes: then the step keeps the job's.
  if (!stuck.empty() && !work.encoded_in.empty() && WhyStuck(job, work).empty()) return {};
  if (!stuck.empty()) throw Infeasible("its orders of a step deadlock: " + stuck, "/pipeline");
  return orders;
}

}  // namespace dflop
