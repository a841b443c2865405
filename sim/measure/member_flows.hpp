// The flows of a message in every replica that it stands for.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "base/index.hpp"
#include "sim/plan/job.hpp"
#include "sim/step/step.hpp"

namespace dflop {

/// Where no NIC serves two GPUs, replicas of one class load their links alike, and one is looked at for all: its flows
/// count as often as there are replicas. Otherwise the flows of every replica are spelled out.
class MemberFlows {
 public:
  MemberFlows(const Job& job, const Step& step) : layout_(job.layout), step_(step) {
    if (step.graph.copies.empty()) return;
    const ClusterSpec& cluster = job.cost.cluster();
    for (int kind = 0; kind < cluster.kinds(); ++kind) {
      const NodeSpec& node = cluster.node_of_kind(KindId{kind});
      apart_ = apart_ && node.nics >= node.gpus;
    }
    if (apart_) {
      copies_of_gpu_.resize(Index(cluster.gpus()), 1);
      for (std::size_t g = 0; g < layout_.groups.size(); ++g) {
        const DeviceGroup& group = layout_.groups[g];
        for (int i = 0; i < group.size; ++i) copies_of_gpu_[Index(group.first_gpu + i)] = step.graph.copies[g];
      }
    } else {
      for (const Stage& stage : layout_.stages) group_of_[{stage.replica, stage.depth}] = stage.group;
      for (const ReplicaClass& one : step.classes) class_of_[one.first()] = &one;
    }
  }

  /// What a GPU's NIC counts for: those that another one stands for count for nothing.
  int CopiesOf(int gpu) const { return copies_of_gpu_.empty() ? 1 : copies_of_gpu_[Index(gpu)]; }

  /// Calls visit(source GPU, target GPU, flow of the way, replica, how often) for the flows of this operation's way and
  /// for those of the replicas that it stands for; replica −1: its own.
  template <typename Visit>
  void ForEach(const Operation& operation, Way way, Visit visit) const {
    const auto flows = step_.graph.communications.FlowsOf(way);
    const bool message = !operation.of_all_replicas && operation.stage >= 0 && operation.to_stage >= 0;
    const int times = message ? CopiesOf(flows.empty() ? 0 : flows.front().source_gpu) : 1;
    for (const Flow& flow : flows) visit(flow.source_gpu, flow.target_gpu, flow, -1, times);
    if (!message || class_of_.empty()) return;
    const Stage& from = layout_.stages[Index(operation.stage)];
    const Stage& to = layout_.stages[Index(operation.to_stage)];
    const auto found = class_of_.find(from.replica);
    if (found == class_of_.end()) return;
    for (const int replica : found->second->replicas) {
      if (replica == from.replica) continue;
      const int source = Offset(from, replica);
      const int target = Offset(to, replica);
      for (const Flow& flow : flows) visit(flow.source_gpu + source, flow.target_gpu + target, flow, replica, 1);
    }
  }

 private:
  int Offset(const Stage& stage, int replica) const {
    const DeviceGroup& own = layout_.groups[Index(stage.group)];
    return layout_.groups[Index(group_of_.at({replica, stage.depth}))].first_gpu - own.first_gpu;
  }

  const Layout& layout_;
  const Step& step_;
  bool apart_ = true;
  std::vector<int> copies_of_gpu_;               ///< none: all flows are spelled out
  std::map<std::pair<int, int>, int> group_of_;  ///< by replica and depth
  std::map<int, const ReplicaClass*> class_of_;  ///< by the replica that stands for it
};

}  // namespace dflop
