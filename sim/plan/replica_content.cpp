// Chains are found in a copy whose stages stand in order, and numbered back.
#include "sim/plan/replica_content.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "base/index.hpp"

namespace dflop {
namespace {

/// Replica by replica, each by depth.
std::vector<int> StagesInOrder(const Layout& layout) {
  const auto key = [&](int s) {
    const Stage& stage = layout.stages[Index(s)];
    return std::tuple(layout.pipelines[Index(stage.parts.front().module)], stage.replica, stage.depth);
  };
  std::vector<int> order(layout.stages.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return key(a) < key(b); });
  return order;
}

std::vector<int> DevicesOf(const std::vector<int>& stages, const Layout& layout) {
  std::vector<int> met;
  std::vector<int> devices;
  for (const int s : stages) {
    const int group = layout.stages[Index(s)].group;
    const auto known = std::find(met.begin(), met.end(), group);
    devices.push_back(static_cast<int>(known - met.begin()));
    if (known == met.end()) met.push_back(group);
  }
  return devices;
}

}  // namespace

std::vector<ReplicaContent> ReplicasByContent(const Layout& layout) {
  const std::vector<int> order = StagesInOrder(layout);
  Layout ordered = layout;
  for (std::size_t i = 0; i < order.size(); ++i) ordered.stages[i] = layout.stages[Index(order[i])];
  std::vector<ReplicaContent> replicas;
  for (const Chain& chain : ChainsOf(ordered)) {
    ReplicaContent& replica = replicas.emplace_back(ReplicaContent{chain.module, chain.replica, {}, {}});
    for (const int s : chain.stages) replica.stages.push_back(order[Index(s)]);
    replica.devices = DevicesOf(replica.stages, layout);
  }
  const auto gpu = [&](int s) { return layout.groups[Index(layout.stages[Index(s)].group)].first_gpu; };
  std::sort(replicas.begin(), replicas.end(), [&](const ReplicaContent& a, const ReplicaContent& b) {
    if (a.module != b.module) return a.module < b.module;
    const auto begin_earlier = [&](int x, int y) { return gpu(x) < gpu(y); };
    const auto& [x, y] = std::tie(a.stages, b.stages);
    if (std::lexicographical_compare(x.begin(), x.end(), y.begin(), y.end(), begin_earlier)) return true;
    if (std::lexicographical_compare(y.begin(), y.end(), x.begin(), x.end(), begin_earlier)) return false;
    return a.replica < b.replica;
  });
  return replicas;
}

void AddParts(ContentBytes& content, const Stage& stage, bool degrees) {
  std::vector<ModulePart> parts = stage.parts;
  std::sort(parts.begin(), parts.end(), [](const ModulePart& a, const ModulePart& b) {
    return std::tuple(a.module, a.first_layer) < std::tuple(b.module, b.first_layer);
  });
  content.Count(static_cast<std::int64_t>(parts.size()));
  for (const ModulePart& part : parts) {
    content.Count(part.module);
    content.Count(part.first_layer);
    content.Count(part.layers);
    const Mesh mesh = degrees ? part.mesh : Mesh{};
    content.Field("context_parallel", mesh.cp, 1);
    content.Field("data_split", mesh.data_split, 1);
    content.Field("expert_parallel", mesh.ep, 1);
    content.Field("expert_tensor_parallel", mesh.etp, 1);
    content.Field("input", part.has_input ? 1 : 0, 0);
    content.Field("output", part.has_output ? 1 : 0, 0);
    content.Field("sequence_parallel", mesh.sequence_parallel ? 1 : 0, 0);
    content.Field("tensor_parallel", mesh.tp, 1);
    content.EndFields();
  }
}

}  // namespace dflop
