// Ranks stand on the first GPUs of nodes, node after node.
#include "sim/build/lone_collective.hpp"

#include <vector>

#include "base/error.hpp"
#include "base/index.hpp"

namespace dflop {
namespace {

std::vector<int> RanksOf(const ClusterSpec& cluster, const LoneCollective& collective) {
  std::vector<int> gpus;
  int first = 0;  // of the node
  while (static_cast<int>(gpus.size()) < collective.ranks) {
    for (int i = 0; i < collective.ranks_per_node && static_cast<int>(gpus.size()) < collective.ranks; ++i) {
      gpus.push_back(first + i);
    }
    first += cluster.node_at(first).gpus;
  }
  return gpus;
}

}  // namespace

int GpusOf(const ClusterSpec& cluster, const LoneCollective& collective) {
  return RanksOf(cluster, collective).back() + 1;
}

LoneTime TimeOf(const ClusterSpec& cluster, const LoneCollective& collective) {
  DFLOP_CHECK(GpusOf(cluster, collective) <= cluster.gpus(), "the cluster has the GPUs that the collective needs");
  const std::vector<int> gpus = RanksOf(cluster, collective);
  LoneTime lone;
  const PricedCommunication priced = Collective(cluster, collective.op, gpus, 1, collective.bytes);
  lone.time = UncontendedTime(cluster, priced.communication);
  lone.algorithm = priced.algorithm;
  if (lone.time > Seconds(0)) lone.bus = collective.bytes * SentShare(collective.op, collective.ranks) / lone.time;
  return lone;
}

}  // namespace dflop
