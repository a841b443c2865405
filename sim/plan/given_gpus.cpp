// Each check may count on those before it: numbers, tensor-parallel groups, then what has to stay together.
#include "sim/plan/given_gpus.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/index.hpp"

namespace dflop {
namespace {

GivenGpusFault FaultOfNumbers(const Layout& layout, std::span<const int> gpus, const ClusterSpec& cluster) {
  if (static_cast<int>(gpus.size()) != layout.gpus_used()) {
    return {-1,
            "names " + std::to_string(gpus.size()) + " GPUs, the layout uses " + std::to_string(layout.gpus_used())};
  }
  std::map<int, int> element_of;
  for (int k = 0; k < static_cast<int>(gpus.size()); ++k) {
    const int gpu = gpus[Index(k)];
    if (gpu < 0 || gpu >= cluster.gpus()) {
      return {k, "names GPU " + std::to_string(gpu) + ", the cluster has " + std::to_string(cluster.gpus()) +
                     ", numbered from 0"};
    }
    const auto [entry, is_new] = element_of.try_emplace(gpu, k);
    if (!is_new) {
      return {k, "names GPU " + std::to_string(gpu) + ", as element " + std::to_string(entry->second) + " does"};
    }
  }
  return {};
}

std::string GpusText(std::span<const int> gpus) {
  constexpr std::size_t kShown = 8;
  std::string text = gpus.size() == 1 ? "GPU " : "GPUs ";
  for (std::size_t i = 0; i < std::min(kShown, gpus.size()); ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(gpus[i]);
  }
  return text + (gpus.size() > kShown ? ", …" : "");
}

std::string StageText(const Stage& stage) {
  return "replica " + std::to_string(stage.replica) + ", stage " + std::to_string(stage.depth);
}

/// Elements that have to lie beside each other.
struct Together {
  int first = 0;
  int count = 1;
  std::string name{};
};

GivenGpusFault FaultOfTensorParallel(const Layout& layout, const Stage& stage, std::span<const int> gpus,
                                     const ClusterSpec& cluster) {
  const DeviceGroup& group = layout.groups[Index(stage.group)];
  for (const ModulePart& part : stage.parts) {
    for (int first = group.first_gpu; first < group.first_gpu + group.size; first += part.mesh.tp) {
      const std::span<const int> ranks = gpus.subspan(Index(first), Index(part.mesh.tp));
      const auto outside =
          std::find_if(ranks.begin(), ranks.end(), [&](int gpu) { return !cluster.same_domain(gpu, ranks.front()); });
      if (outside == ranks.end()) continue;
      const NodeSpec& node = cluster.node_at(ranks.front());
      return {first + static_cast<int>(outside - ranks.begin()),
              "puts the tensor-parallel group of " + StageText(stage) + " on " + GpusText(ranks) + ", across " +
                  (node.domain() == node.gpus ? "nodes" : "NVLink domains") + " of " + std::to_string(node.domain())};
    }
  }
  return {};
}

int PlaceInDomain(int gpu, const ClusterSpec& cluster) {
  int before = 0;
  while (before < gpu && cluster.same_domain(gpu - before - 1, gpu)) ++before;
  return before;
}

/// Where a group may begin in a domain so that it lies in as few as it can.
std::string LatestBegin(int count, int domain) {
  const int latest = (domain - count % domain) % domain;
  return latest == 0 ? "at the first GPU of a domain"
                     : "no later than at GPU " + std::to_string(latest) + " of a domain, counted from 0";
}

/// A group that lies as in the default numbering, or as far into its domain, is as good as there: in a layout whose
/// groups do not divide a domain some always lie in two.
GivenGpusFault FaultOf(const Together& one, std::span<const int> gpus, const ClusterSpec& cluster) {
  const std::span<const int> own = gpus.subspan(Index(one.first), Index(one.count));
  const int begin = own.front();
  const std::string where = one.name + " on " + GpusText(own);
  std::set<int> domains;
  for (int i = 0; i < one.count; ++i) {
    if (own[Index(i)] != begin + i) return {one.first + i, "puts " + where + "; its GPUs follow each other, rising"};
    domains.insert(cluster.domain_of(begin + i));
  }
  if (begin == one.first) return {};
  for (int i = 0; i < one.count; ++i) {
    if (cluster.kind_of(begin + i) != cluster.kind_of(begin)) {
      return {one.first + i, "puts " + where + ", which are of two kinds of nodes"};
    }
  }
  const int domain = cluster.node_at(begin).domain();
  const int fewest = (one.count + domain - 1) / domain;
  if (static_cast<int>(domains.size()) <= fewest) return {};
  if (PlaceInDomain(begin, cluster) == PlaceInDomain(one.first, cluster)) return {};
  return {one.first, "puts " + where + ", in " + std::to_string(domains.size()) + " NVLink domains of " +
                         std::to_string(domain) + " where " + std::to_string(fewest) + " would do; begin " +
                         LatestBegin(one.count, domain)};
}

/// Replicas whose tokens meet in the same experts: neighbours, ep · etp ranks together.
std::vector<Together> ExpertGroups(const Layout& layout) {
  std::vector<Together> groups;
  for (const Stage& stage : layout.stages) {
    const Mesh& mesh = stage.parts.front().mesh;
    const DeviceGroup& group = layout.groups[Index(stage.group)];
    const int ranks = mesh.ep * mesh.etp;
    if (ranks <= group.size || stage.replica % (ranks / group.size) != 0) continue;
    groups.push_back({group.first_gpu, ranks, "the experts' group that begins with " + StageText(stage)});
  }
  return groups;
}

}  // namespace

GivenGpusFault FindFault(const Layout& layout, std::span<const int> gpus, const ClusterSpec& cluster) {
  GivenGpusFault fault = FaultOfNumbers(layout, gpus, cluster);
  if (!fault.what.empty()) return fault;
  std::vector<Together> together;
  for (const Stage& stage : layout.stages) {
    fault = FaultOfTensorParallel(layout, stage, gpus, cluster);
    if (!fault.what.empty()) return fault;
    const DeviceGroup& group = layout.groups[Index(stage.group)];
    together.push_back({group.first_gpu, group.size, "the device group of " + StageText(stage)});
  }
  const std::vector<Together> experts = ExpertGroups(layout);
  together.insert(together.end(), experts.begin(), experts.end());
  for (const Together& one : together) {
    fault = FaultOf(one, gpus, cluster);
    if (!fault.what.empty()) return fault;
  }
  return {};
}

Layout OnGpus(Layout layout, std::span<const int> gpus) {
  for (DeviceGroup& group : layout.groups) {
    DFLOP_CHECK(Index(group.first_gpu) < gpus.size(), "the list names a GPU for each of the layout's");
    group.first_gpu = gpus[Index(group.first_gpu)];
  }
  return layout;
}

}  // namespace dflop
