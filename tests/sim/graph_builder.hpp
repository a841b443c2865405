// Operation graphs built by hand: for the engines' tests and benchmarks, which know no layouts and no cost model.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "models/cluster_spec.hpp"
#include "sim/graph/operation_graph.hpp"

namespace dflop {

/// Four GPUs a node, two NICs (GPUs 0 and 2 share one, 1 and 3 the other); NVLink 8 bytes/s, NIC 2 bytes/s. Rates so
/// small that times are read off without a calculator.
inline ClusterSpec SmallCluster(int nodes) {
  NodeSpec node;
  node.gpus = 4;
  node.nics = 2;
  node.intra_bandwidth = BytesPerSecond(8);
  node.nic_bandwidth = BytesPerSecond(2);
  return {"small", "", {{.count = nodes, .node = node}}};
}

/// latency + bytes over the rate of NVLink inside a node, of a NIC otherwise.
inline Seconds LoneFlowTime(const ClusterSpec& cluster, const Flow& flow, Seconds latency) {
  const NodeSpec& node = cluster.only_node();
  return latency +
         flow.bytes / (cluster.same_node(flow.source_gpu, flow.target_gpu) ? node.intra_rate() : node.nic_rate());
}

class GraphBuilder {
 public:
  GraphBuilder(ClusterSpec cluster, int queues) : cluster_(std::move(cluster)) {
    graph_.queues.resize(static_cast<std::size_t>(queues));
    graph_.groups = queues;
    graph_.dependency_begin = {0};
  }

  int Compute(int queue, double seconds, const std::vector<int>& after = {}) {
    return Add({}, Seconds(seconds), queue, after);
  }

  /// One flow; `queue` −1: starts as soon as it may.
  int Send(const Flow& flow, double latency_s, const std::vector<int>& after = {}, int queue = -1) {
    return Send(Communication{{flow}, Seconds(latency_s)}, LoneFlowTime(cluster_, flow, Seconds(latency_s)), after,
                queue);
  }

  int Send(const Communication& communication, Seconds uncontended, const std::vector<int>& after = {},
           int queue = -1) {
    Operation operation;
    operation.kind = OpKind::kTransfer;
    operation.communication = graph_.communications.Add(communication);
    return Add(operation, uncontended, queue, after);
  }

  OperationGraph graph() const { return graph_; }
  const ClusterSpec& cluster() const { return cluster_; }

 private:
  int Add(Operation operation, Seconds duration, int queue, const std::vector<int>& after) {
    const int index = static_cast<int>(graph_.operations.size());
    operation.queue = queue;
    operation.stage = queue;
    operation.microbatch = index;
    graph_.operations.push_back(operation);
    graph_.durations.push_back(duration);
    if (queue >= 0) graph_.queues[static_cast<std::size_t>(queue)].push_back(index);
    graph_.dependencies.insert(graph_.dependencies.end(), after.begin(), after.end());
    graph_.dependency_begin.push_back(static_cast<std::int64_t>(graph_.dependencies.size()));
    return index;
  }

  ClusterSpec cluster_;
  OperationGraph graph_;
};

/// How the communications of a random job meet on the links.
enum class Links {
  kOwn,         ///< every communication between two nodes or GPUs of its own
  kSerialised,  ///< few GPUs, but one message at a time
  kContended,   ///< few GPUs, messages whenever they are ready
};

/// `operations` computations on 2 … 6 queues, each after up to three earlier ones, about half of those through a
/// message. Durations, sizes and latencies spread over several orders of magnitude.
inline OperationGraph RandomJob(RandomStream& random, int operations, Links links, ClusterSpec* cluster) {
  *cluster = SmallCluster(links == Links::kOwn ? 6 * operations : 3);
  const int queues = 2 + static_cast<int>(random.Below(5));
  GraphBuilder builder(*cluster, queues + 1);
  const auto below = [&](int bound) { return static_cast<int>(random.Below(static_cast<std::uint64_t>(bound))); };
  std::vector<int> computations;
  int messages = 0;
  for (int i = 0; i < operations; ++i) {
    std::vector<int> after;
    for (int d = below(4); d > 0 && i > 0; --d) {
      int dependency = computations[static_cast<std::size_t>(below(i))];
      if (below(2) == 0) {
        Flow flow{below(cluster->gpus()), below(cluster->gpus()), Bytes(random.LogNormal(1.0, 1.5))};
        if (links == Links::kOwn) flow.source_gpu = 8 * messages, flow.target_gpu = 8 * messages + 1 + below(7);
        if (links != Links::kOwn && flow.source_gpu == flow.target_gpu) flow.target_gpu ^= 1;
        dependency =
            builder.Send(flow, random.LogNormal(1e-3, 2.0), {dependency}, links == Links::kSerialised ? queues : -1);
        ++messages;
      }
      after.push_back(dependency);
    }
    computations.push_back(builder.Compute(below(queues), random.LogNormal(0.5, 1.0), after));
  }
  return builder.graph();
}

}  // namespace dflop
