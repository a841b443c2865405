// Collectives over the ranks that hold copies of the same layers, where groups of them divide the state among
// themselves: inside the groups, and from group to group (hybrid sharding: PyTorch's FSDP, arXiv 2304.11277, section
// 3.2.2).
#pragma once

#include <vector>

#include "models/network/collective_law.hpp"
#include "sim/graph/communication.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

/// First ranks of the tensor-parallel groups that hold a copy of these stages each, in the order of the stages.
std::vector<int> FirstGpus(const Layout& layout, const std::vector<int>& stages);

/// The ranks that hold the same experts of these stages: every ep·etp-th of all their ranks, tensor-parallel ones first
/// (MoE Parallel Folding, arXiv 2504.14960).
class ExpertCopies {
 public:
  /// The cluster outlives them.
  ExpertCopies(const ClusterSpec& cluster, const Layout& layout, const std::vector<int>& stages);
  /// Over all such sets at once; bytes per rank.
  Communication Over(CollectiveOp op, Bytes bytes) const;

 private:
  const ClusterSpec& cluster_;
  std::vector<int> gpus_;  ///< of the first set
  int lanes_;              ///< sets that lie beside each other
};

class ShardGroups {
 public:
  /// The copies that these stages hold, `ranks` neighbours of which are a group; they divide evenly. The cluster
  /// outlives them.
  ShardGroups(const ClusterSpec& cluster, const Layout& layout, const std::vector<int>& stages, int ranks);

  bool several() const { return Count() > 1; }
  /// Inside all groups at once; bytes as nccl-tests counts them, per communicator.
  Communication Inside(CollectiveOp op, Bytes bytes) const;
  /// All-reduce over the groups, of what the ranks of one hold together: each of `bytes` / ranks.
  Communication Across(Bytes bytes) const;

 private:
  int Count() const { return static_cast<int>(gpus_.size()) / ranks_; }
  bool Consecutive() const;

  const ClusterSpec& cluster_;
  std::vector<int> gpus_;  ///< [copy]
  int group_size_;         ///< tensor-parallel ranks, each with a communicator of its own
  int ranks_;
};

}  // namespace dflop
