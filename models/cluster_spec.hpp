// The machine: GPUs in nodes, NVLink inside a node, NICs between nodes. Bandwidths are per GPU or NIC and direction.
#pragma once

#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "base/units.hpp"

namespace dflop {

struct GpuSpec {
  std::string name;
  std::string source;
  FlopsPerSecond peak{0};  ///< dense bf16/fp16 tensor-core peak
  BytesPerSecond memory_bandwidth{0};
  Bytes memory{0};
};

struct NodeSpec {
  GpuSpec gpu;
  int gpus = 8;
  BytesPerSecond intra_bandwidth{0};  ///< NVLink, nominal, per GPU and direction
  Seconds intra_latency{0};
  int nics = 8;
  BytesPerSecond nic_bandwidth{0};
  Seconds nic_latency{0};
  /// Share of the nominal link rate that large messages reach (fit to measured collectives; see the data file).
  double intra_efficiency = 1.0;
  double nic_efficiency = 1.0;
};

struct ClusterSpec {
  std::string name;
  std::string source;
  int nodes = 1;
  NodeSpec node;

  int gpus() const { return nodes * node.gpus; }
  int node_of(int gpu) const { return gpu / node.gpus; }
  /// The NIC of its node that a GPU uses; GPUs share NICs in turn where there are fewer.
  int nic_of(int gpu) const { return (gpu % node.gpus) % node.nics; }
  bool same_node(int a, int b) const { return node_of(a) == node_of(b); }
  BytesPerSecond intra_rate() const { return node.intra_bandwidth * node.intra_efficiency; }
  BytesPerSecond nic_rate() const { return node.nic_bandwidth * node.nic_efficiency; }
};

/// A built-in name (one node); {"name": built-in, "nodes": n, "node": {keys that differ}}; inline with a whole "node"
/// (an object, {"file": …} or the name of a built-in cluster whose node it is); or {"file": …, "nodes": n}.
ClusterSpec ReadCluster(const JsonReader& json);
GpuSpec ReadGpu(const JsonReader& json);  ///< a built-in name, inline, or {"file": …}
std::vector<std::string> BuiltInClusterNames();
std::vector<std::string> BuiltInGpuNames();
/// One line on where a built-in's figures come from.
std::string ClusterSource(const std::string& name);
std::string GpuSource(const std::string& name);

Json ToJson(const ClusterSpec& cluster);

}  // namespace dflop
