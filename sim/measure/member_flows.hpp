// The flows of a message in every replica that it stands for.
#pragma once

#include <map>
#include <utility>

#include "base/index.hpp"
#include "sim/plan/job.hpp"
#include "sim/step/step.hpp"

namespace dflop {

class MemberFlows {
 public:
  MemberFlows(const Layout& layout, const Step& step) : layout_(layout), step_(step) {
    if (step.graph.copies.empty()) return;
    for (const Stage& stage : layout.stages) group_of_[{stage.replica, stage.depth}] = stage.group;
    for (const ReplicaClass& one : step.classes) class_of_[one.first()] = &one;
  }

  /// Calls visit(source GPU, target GPU, flow of the way, replica) for the flows of this operation's way, where they
  /// are and where the replicas that it stands for have theirs; replica −1: its own.
  template <typename Visit>
  void ForEach(const Operation& operation, Way way, Visit visit) const {
    const auto flows = step_.graph.communications.FlowsOf(way);
    for (const Flow& flow : flows) visit(flow.source_gpu, flow.target_gpu, flow, -1);
    if (class_of_.empty() || operation.of_all_replicas || operation.stage < 0 || operation.to_stage < 0) return;
    const Stage& from = layout_.stages[Index(operation.stage)];
    const Stage& to = layout_.stages[Index(operation.to_stage)];
    const auto found = class_of_.find(from.replica);
    if (found == class_of_.end()) return;
    for (const int replica : found->second->replicas) {
      if (replica == from.replica) continue;
      const int source = Offset(from, replica);
      const int target = Offset(to, replica);
      for (const Flow& flow : flows) visit(flow.source_gpu + source, flow.target_gpu + target, flow, replica);
    }
  }

 private:
  int Offset(const Stage& stage, int replica) const {
    const DeviceGroup& own = layout_.groups[Index(stage.group)];
    return layout_.groups[Index(group_of_.at({replica, stage.depth}))].first_gpu - own.first_gpu;
  }

  const Layout& layout_;
  const Step& step_;
  std::map<std::pair<int, int>, int> group_of_;  ///< by replica and depth
  std::map<int, const ReplicaClass*> class_of_;  ///< by the replica that stands for it
};

}  // namespace dflop
