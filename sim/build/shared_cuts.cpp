// Per kind of message: bytes that every NIC sends over every link, the crowd on each link, and prices by way.
#include "sim/build/shared_cuts.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/index.hpp"
#include "models/network/route.hpp"

namespace dflop {
namespace {

class CutsOfKind {
 public:
  CutsOfKind(const ClusterSpec& cluster, const OperationGraph& graph, OpKind kind) : cluster_(cluster), graph_(graph) {
    for (const Operation& operation : graph.operations) {
      if (operation.kind != kind || operation.communication < 0) continue;
      const Way way = graph.communications.way(operation.communication);
      WayTraffic& traffic = ways_[way.first];
      traffic.way = way;
      traffic.factors += graph.communications.factor(operation.communication);
    }
    for (const auto& [first, traffic] : ways_) CountBytes(traffic);
    for (const auto& [first, traffic] : ways_) AddDemand(traffic);
    for (auto& [id, link] : links_) {
      link.crowd = std::max(1.0, link.demand / link.rate);
      crowded_ = crowded_ || link.crowd > 1 + 1e-12;
    }
  }

  bool crowded() const { return crowded_; }

  /// Without latency: in proportion to what the message multiplies its way by.
  Seconds Time(int communication) {
    WayTraffic& traffic = ways_.at(graph_.communications.way(communication).first);
    if (traffic.seconds < 0) traffic.seconds = SecondsOf(traffic.way);
    return Seconds(traffic.seconds * graph_.communications.factor(communication));
  }

 private:
  struct WayTraffic {
    Way way;
    double factors = 0;   ///< of all messages that go this way
    double seconds = -1;  ///< of a message that multiplies by one; negative: not asked for yet
  };
  struct CutLink {
    double rate = 0;
    double demand = 0;
    double crowd = 1;
  };

  bool LeavesNode(const Flow& flow) const {
    return flow.bytes > Bytes(0) && !cluster_.same_domain(flow.source_gpu, flow.target_gpu) &&
           !cluster_.same_node(flow.source_gpu, flow.target_gpu);
  }

  void CountBytes(const WayTraffic& traffic) {
    for (const Flow& flow : graph_.communications.FlowsOf(traffic.way)) {
      if (!LeavesNode(flow)) continue;
      const double bytes = flow.bytes.value() * traffic.factors;
      bytes_out_[cluster_.nic_number(flow.source_gpu)] += bytes;
      bytes_in_[cluster_.nic_number(flow.target_gpu)] += bytes;
    }
  }

  /// A flow gets what its sender's NIC and its receiver's NIC both have left for it.
  void AddDemand(const WayTraffic& traffic) {
    for (const Flow& flow : graph_.communications.FlowsOf(traffic.way)) {
      if (!LeavesNode(flow)) continue;
      const double bytes = flow.bytes.value() * traffic.factors;
      const double sent = bytes / bytes_out_.at(cluster_.nic_number(flow.source_gpu));
      const double received = bytes / bytes_in_.at(cluster_.nic_number(flow.target_gpu));
      const double rate = std::min(cluster_.nic_rate(flow.source_gpu).value() * sent,
                                   cluster_.nic_rate(flow.target_gpu).value() * received);
      ForEachLink(cluster_, flow.source_gpu, flow.target_gpu, [&](const RouteLink& link) {
        if (link.of != LinkClass::kFabric) return;
        CutLink& cut = links_[link.id];
        cut.rate = link.rate.value();
        cut.demand += rate;
      });
    }
  }

  double SecondsOf(Way way) const {
    std::vector<std::pair<std::int64_t, double>> seconds;  // by link
    for (const Flow& flow : graph_.communications.FlowsOf(way)) {
      double crowd = 1;
      ForEachLink(cluster_, flow.source_gpu, flow.target_gpu, [&](const RouteLink& link) {
        if (link.of == LinkClass::kFabric) crowd = std::max(crowd, links_.at(link.id).crowd);
      });
      ForEachLink(cluster_, flow.source_gpu, flow.target_gpu, [&](const RouteLink& link) {
        const double factor = link.of == LinkClass::kNic ? crowd : 1;
        seconds.emplace_back(link.id, (flow.bytes / link.rate).value() * factor);
      });
    }
    std::sort(seconds.begin(), seconds.end());
    double busiest = 0;
    double sum = 0;
    for (std::size_t i = 0; i < seconds.size(); ++i) {
      sum = (i > 0 && seconds[i].first == seconds[i - 1].first ? sum : 0) + seconds[i].second;
      busiest = std::max(busiest, sum);
    }
    return busiest;
  }

  const ClusterSpec& cluster_;
  const OperationGraph& graph_;
  std::map<std::int64_t, WayTraffic> ways_;    ///< by first flow
  std::unordered_map<int, double> bytes_out_;  ///< by NIC
  std::unordered_map<int, double> bytes_in_;
  std::unordered_map<std::int64_t, CutLink> links_;  ///< of the fabric
  bool crowded_ = false;
};

}  // namespace

void ShareCuts(const ClusterSpec& cluster, OperationGraph& graph) {
  if (cluster.fabric() == nullptr) return;
  for (const OpKind kind : {OpKind::kTransfer, OpKind::kGradientReduction, OpKind::kParameterGather}) {
    CutsOfKind cuts(cluster, graph, kind);
    if (!cuts.crowded()) continue;
    for (std::size_t i = 0; i < graph.operations.size(); ++i) {
      const Operation& operation = graph.operations[i];
      if (operation.kind != kind || operation.communication < 0) continue;
      graph.durations[i] = graph.communications.latency(operation.communication) + cuts.Time(operation.communication);
    }
  }
}

}  // namespace dflop
