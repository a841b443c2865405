// Per kind of message: bytes that every NIC sends over every link, the crowd on each link, and prices by way.
#include "sim/build/shared_cuts.hpp"

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/index.hpp"
#include "models/network/route.hpp"

namespace dflop {
namespace {

class CutsOfKind {
 public:
  CutsOfKind(const ClusterSpec& cluster, const OperationGraph& graph, OpKind kind) : cluster_(cluster) {
    for (const Operation& operation : graph.operations) {
      if (operation.kind != kind || operation.communication < 0) continue;
      graph.communications.ForEachFlow(operation.communication, [&](const Flow& flow) { Load(flow); });
    }
    for (auto& [id, link] : links_) {
      double demand = 0;
      for (const auto& [nic, bytes] : link.bytes_of_nic) demand += nics_.at(nic).rate * bytes / nics_.at(nic).bytes;
      link.crowd = std::max(1.0, demand / link.rate);
      crowded_ = crowded_ || link.crowd > 1 + 1e-12;
    }
  }

  bool crowded() const { return crowded_; }

  /// Without latency.
  Seconds Time(const OperationGraph& graph, int communication) const {
    std::unordered_map<std::int64_t, double> seconds;  // by link
    graph.communications.ForEachFlow(communication, [&](const Flow& flow) {
      double crowd = 1;
      ForEachLink(cluster_, flow.source_gpu, flow.target_gpu, [&](const RouteLink& link) {
        if (link.of == LinkClass::kFabric) crowd = std::max(crowd, links_.at(link.id).crowd);
      });
      ForEachLink(cluster_, flow.source_gpu, flow.target_gpu, [&](const RouteLink& link) {
        const double factor = link.of == LinkClass::kNic ? crowd : 1;
        seconds[link.id] += (flow.bytes / link.rate).value() * factor;
      });
    });
    double busiest = 0;
    for (const auto& [id, sum] : seconds) busiest = std::max(busiest, sum);
    return Seconds(busiest);
  }

 private:
  struct Nic {
    double rate = 0;
    double bytes = 0;
  };
  struct CutLink {
    double rate = 0;
    std::unordered_map<int, double> bytes_of_nic{};
    double crowd = 1;
  };

  void Load(const Flow& flow) {
    if (flow.bytes <= Bytes(0) || flow.source_gpu == flow.target_gpu) return;
    const int nic = cluster_.nic_number(flow.source_gpu);
    bool leaves = false;
    ForEachLink(cluster_, flow.source_gpu, flow.target_gpu, [&](const RouteLink& link) {
      leaves = leaves || link.of == LinkClass::kNic;
      if (link.of != LinkClass::kFabric) return;
      CutLink& cut = links_[link.id];
      cut.rate = link.rate.value();
      cut.bytes_of_nic[nic] += flow.bytes.value();
    });
    if (!leaves) return;
    nics_[nic].rate = cluster_.nic_rate(flow.source_gpu).value();
    nics_[nic].bytes += flow.bytes.value();
  }

  const ClusterSpec& cluster_;
  std::unordered_map<int, Nic> nics_;                ///< by number, of senders
  std::unordered_map<std::int64_t, CutLink> links_;  ///< of the fabric
  bool crowded_ = false;
};

}  // namespace

void ShareCuts(const ClusterSpec& cluster, OperationGraph& graph) {
  if (cluster.fabric() == nullptr) return;
  for (const OpKind kind : {OpKind::kTransfer, OpKind::kGradientReduction, OpKind::kParameterGather}) {
    const CutsOfKind cuts(cluster, graph, kind);
    if (!cuts.crowded()) continue;
    for (std::size_t i = 0; i < graph.operations.size(); ++i) {
      const Operation& operation = graph.operations[i];
      if (operation.kind != kind || operation.communication < 0) continue;
      graph.durations[i] =
          graph.communications.latency(operation.communication) + cuts.Time(graph, operation.communication);
    }
  }
}

}  // namespace dflop
