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
    for (const auto& [first, traffic] : ways_) Load(traffic);
    for (auto& [id, link] : links_) {
      double demand = 0;
      for (const auto& [nic, bytes] : link.bytes_of_nic) demand += nics_.at(nic).rate * bytes / nics_.at(nic).bytes;
      link.crowd = std::max(1.0, demand / link.rate);
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
  struct Nic {
    double rate = 0;
    double bytes = 0;
  };
  struct CutLink {
    double rate = 0;
    std::map<int, double> bytes_of_nic{};
    double crowd = 1;
  };

  void Load(const WayTraffic& traffic) {
    for (const Flow& flow : graph_.communications.FlowsOf(traffic.way)) {
      const double bytes = flow.bytes.value() * traffic.factors;
      if (bytes <= 0 || flow.source_gpu == flow.target_gpu) continue;
      const int nic = cluster_.nic_number(flow.source_gpu);
      bool leaves = false;
      ForEachLink(cluster_, flow.source_gpu, flow.target_gpu, [&](const RouteLink& link) {
        leaves = leaves || link.of == LinkClass::kNic;
        if (link.of != LinkClass::kFabric) return;
        CutLink& cut = links_[link.id];
        cut.rate = link.rate.value();
        cut.bytes_of_nic[nic] += bytes;
      });
      if (!leaves) continue;
      nics_[nic].rate = cluster_.nic_rate(flow.source_gpu).value();
      nics_[nic].bytes += bytes;
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
  std::map<std::int64_t, WayTraffic> ways_;          ///< by first flow
  std::unordered_map<int, Nic> nics_;                ///< by number, of senders
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
