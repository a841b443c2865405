// A graph in the making: what its builders add operations and dependencies to.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/index.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/build/stage_way.hpp"
#include "sim/build/step_costs.hpp"
#include "sim/graph/operation_graph.hpp"
#include "sim/plan/job.hpp"

namespace dflop {

/// No operation, no queue.
inline constexpr int kNone = -1;

class GraphDraft {
 public:
  GraphDraft(const Job& job, const StepWork& work, const StepCosts& costs, const GraphOptions& options);

  int StageCount() const { return static_cast<int>(layout.stages.size()); }
  const Stage& StageAt(int s) const { return layout.stages[Index(s)]; }
  bool IsLlm(const ModulePart& part) const { return cost.model().is_llm(part.module); }
  /// With one replica alone, the encoders that feed it stay; of a class of replicas, the one that stands for it.
  bool Included(int s) const {
    const bool absent = !options.absent_stages.empty() && options.absent_stages[Index(s)];
    return Represented(s) && !absent && (copies_.empty() || copies_[Index(StageAt(s).replica)] > 0);
  }
  /// Included, or another replica of its class is.
  bool Represented(int s) const {
    return options.only_replica == kNone || FeedsOthers(s) || StageAt(s).replica == options.only_replica;
  }
  bool FeedsOthers(int s) const { return layout.feeds(StageAt(s).parts.front().module); }
  /// The stages that are included, by device group.
  const std::vector<int>& StagesOf(int group) const { return stages_of_group_[Index(group)]; }
  /// All stages of a device group, as its order counts chunks.
  const std::vector<int>& ChunksOf(int group) const { return chunks_of_group_[Index(group)]; }

  int Add(const Operation& operation, Seconds duration);
  void Need(int waiting, int needed) {
    DFLOP_CHECK(waiting >= 0 && needed >= 0, "an operation waits for one that is there");
    edges_.emplace_back(waiting, needed);
  }
  void NeedPart(int waiting, const Lag& lag) { lags_.emplace_back(waiting, lag); }
  /// The device that has run its last microbatch does nothing of the step's end before this message is over.
  void HoldStepEnd(int group, int message) { held_by_[Index(group)].push_back(message); }
  void NeedHeldBy(int waiting, int group) {
    for (const int message : held_by_[Index(group)]) Need(waiting, message);
  }
  /// A communication between operations, or a mere dependency when nothing has to move.
  int AddCommunication(Operation operation, const Communication& communication);
  /// Another operation like this one, which moves as much the same way.
  int AddAgain(int operation);
  int AddMessage(Operation operation, const StageWay& way, Way flows, Bytes bytes);
  /// A computation takes this share of its time alone: it overlaps another one. One that runs in parts does not.
  void TakeShare(int operation, double share);
  /// Lets an operation run in parts, once. Operations get theirs in the order of their numbers.
  void RunInParts(int operation, const std::vector<CostPart>& parts);
  /// The whole graph; the draft is spent.
  OperationGraph Finish();

  const CostModel& cost;
  const Layout& layout;
  const StepWork& work;
  const StepCosts& costs;
  const GraphOptions& options;
  OperationGraph graph;
  /// [stage]: the operation that completes its gradients within the step, kNone: none does.
  std::vector<int> reduced;

 private:
  void CountCopies();
  void Reserve(std::size_t cells);

  const std::vector<DeviceOrder>& orders_;
  /// [replica of the LLM]: replicas that it stands for, 0: another one stands for it; empty: each for itself.
  std::vector<int> copies_;
  std::vector<std::vector<int>> stages_of_group_;
  std::vector<std::vector<int>> chunks_of_group_;
  std::vector<std::vector<int>> held_by_;  ///< [group]: messages that it blocks in after its last operation
  std::vector<std::pair<std::int32_t, std::int32_t>> edges_;
  std::vector<std::pair<std::int32_t, Lag>> lags_;
};

}  // namespace dflop
