// First the layouts with one TP for everything, then those whose encoder has a smaller one.
#include "policies/layout_search/uniform_layouts.hpp"

#include <algorithm>

namespace dflop {
namespace {

/// Every way to use all GPUs in groups of tp · cp that is possible: PP × DP × encoder stages.
void AddDegrees(int tp, int encoder_tp, int cp, DeviceChunks chunks, const ModelSpec& model, const ClusterSpec& cluster,
                std::vector<HomogeneousDegrees>& all) {
  const int groups = cluster.gpus() / (tp * cp);
  for (int pp = 1; pp <= groups; ++pp) {
    if (groups % pp != 0) continue;
    const bool splits = !model.encoders.empty() && pp > 1;
    for (int encoder_stages = splits ? 1 : 0; encoder_stages <= (splits ? pp * chunks.each_way - 1 : 0);
         ++encoder_stages) {
      const HomogeneousDegrees degrees{.tp = tp,
                                       .pp = pp,
                                       .dp = groups / pp,
                                       .encoder_stages = encoder_stages,
                                       .chunks = chunks.each_way,
                                       .encoder_tp = encoder_tp,
                                       .cp = cp,
                                       .directions = chunks.directions};
      if (WhyImpossible(degrees, model, cluster).empty()) all.push_back(degrees);
    }
  }
}

}  // namespace

DeviceChunks ChunksOf(const PipelineSchedule& schedule) {
  const int directions = schedule.directions();
  return {schedule.chunks() / directions, directions};
}

std::vector<int> GroupSizes(const ClusterSpec& cluster) {
  const int node = cluster.smallest_domain();
  std::vector<int> sizes;
  for (int tp = 1; tp <= std::min(8, node); tp *= 2) {
    if (node % tp == 0 && cluster.gpus() % tp == 0) sizes.push_back(tp);
  }
  return sizes;
}

std::vector<HomogeneousDegrees> UniformDegrees(const ModelSpec& model, const ClusterSpec& cluster, DeviceChunks chunks,
                                               bool context_parallel) {
  std::vector<HomogeneousDegrees> all;
  for (int cp = 1; cp <= (context_parallel ? cluster.gpus() : 1); cp *= 2) {
    for (const int tp : GroupSizes(cluster)) {
      if (cluster.gpus() % (tp * cp) == 0) AddDegrees(tp, 0, cp, chunks, model, cluster, all);
    }
    if (model.encoders.empty()) continue;
    for (const int tp : GroupSizes(cluster)) {
      if (cluster.gpus() % (tp * cp) != 0) continue;
      for (int encoder_tp = 1; encoder_tp < tp; encoder_tp *= 2) {
        AddDegrees(tp, encoder_tp, cp, chunks, model, cluster, all);
      }
    }
  }
  return all;
}

}  // namespace dflop
