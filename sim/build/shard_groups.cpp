// Groups run at the same time: their flows are one communication's, which share the links that they meet on.
#include "sim/build/shard_groups.hpp"

#include <algorithm>
#include <span>

#include "base/error.hpp"
#include "base/index.hpp"
#include "sim/build/collectives.hpp"

namespace dflop {
namespace {

void Beside(Communication& all, const Communication& one) {
  all.flows.insert(all.flows.end(), one.flows.begin(), one.flows.end());
  all.latency = std::max(all.latency, one.latency);
}

}  // namespace

std::vector<int> FirstGpus(const Layout& layout, const std::vector<int>& stages) {
  std::vector<int> gpus;
  gpus.reserve(stages.size());
  for (const int s : stages) {
    const Stage& stage = layout.stages[Index(s)];
    const Mesh& mesh = stage.parts.front().mesh;
    const int first = layout.groups[Index(stage.group)].first_gpu;
    for (int copy = 0; copy < mesh.copies(); ++copy) gpus.push_back(first + copy * mesh.tp);
  }
  return gpus;
}

// Every rank counted on from the first: the copies of a device group lie beside each other, groups may not.
ExpertCopies::ExpertCopies(const ClusterSpec& cluster, const Layout& layout, const std::vector<int>& stages)
    : cluster_(cluster) {
  const Mesh& mesh = layout.stages[Index(stages.front())].parts.front().mesh;
  lanes_ = mesh.ep * mesh.etp;
  std::vector<int> ranks;
  for (const int first : FirstGpus(layout, stages)) {
    for (int rank = 0; rank < mesh.tp; ++rank) ranks.push_back(first + rank);
  }
  for (std::size_t i = 0; i < ranks.size(); i += Index(lanes_)) gpus_.push_back(ranks[i]);
}

Communication ExpertCopies::Over(CollectiveOp op, Bytes bytes) const {
  if (gpus_.size() < 2 || bytes <= Bytes(0)) return {};
  return Collective(cluster_, op, gpus_, lanes_, bytes).communication;
}

ShardGroups::ShardGroups(const ClusterSpec& cluster, const Layout& layout, const std::vector<int>& stages, int ranks)
    : cluster_(cluster),
      gpus_(FirstGpus(layout, stages)),
      group_size_(layout.stages[Index(stages.front())].parts.front().mesh.tp),
      ranks_(ranks) {
  DFLOP_CHECK(ranks > 0 && gpus_.size() % Index(ranks) == 0, "shard groups divide the copies");
}

Communication ShardGroups::Inside(CollectiveOp op, Bytes bytes) const {
  if (ranks_ < 2 || bytes <= Bytes(0)) return {};
  Communication all;
  for (int group = 0; group < Count(); ++group) {
    const std::span<const int> members = std::span(gpus_).subspan(Index(group * ranks_), Index(ranks_));
    Beside(all, Collective(cluster_, op, members, group_size_, bytes).communication);
  }
  return all;
}

// Groups of neighbours are device groups to the collective, which then knows all communicators.
Communication ShardGroups::Across(Bytes bytes) const {
  if (!several() || bytes <= Bytes(0)) return {};
  const Bytes each = bytes / ranks_;
  const auto members = [&](int rank) {
    std::vector<int> of_rank;
    of_rank.reserve(Index(Count()));
    for (int group = 0; group < Count(); ++group) of_rank.push_back(gpus_[Index(group * ranks_ + rank)]);
    return of_rank;
  };
  if (Consecutive()) {
    return Collective(cluster_, CollectiveOp::kAllReduce, members(0), group_size_ * ranks_, each).communication;
  }
  Communication all;
  for (int rank = 0; rank < ranks_; ++rank) {
    Beside(all, Collective(cluster_, CollectiveOp::kAllReduce, members(rank), group_size_, each).communication);
  }
  return all;
}

bool ShardGroups::Consecutive() const {
  for (std::size_t i = 1; i < gpus_.size(); ++i) {
    if (i % Index(ranks_) != 0 && gpus_[i] != gpus_[i - 1] + group_size_) return false;
  }
  return true;
}

}  // namespace dflop
