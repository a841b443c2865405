// The cluster of a published run: nodes of the GPU that a table names, with the network that its notes state.
#pragma once

#include <optional>
#include <string>

#include "base/json.hpp"
#include "experiments/published_runs/published_row.hpp"

namespace dflop {

struct PublishedCluster {
  Json json;          ///< a scenario's "cluster"
  std::string gpu;    ///< short, for names: "h100", "a100-40gb"
  std::string proxy;  ///< what stands in for something else; "" where nothing does
};

/// Nothing where the GPU is none that the program knows: variants without NVLink, other makers' GPUs. A GPU that lies
/// between known ones (GB300, B300) is spelt out by its data sheet and priced as another one scaled, which `proxy`
/// says.
std::optional<PublishedCluster> ClusterOf(const PublishedRow& row);

/// Of one node, as notes state it: "4x100 Gb/s", "8x200Gb HDR", "400 Gb/s per node", "400 Gb/s per GPU", "1600 Gbps
/// node-node". A whole node's rate is divided over NICs of 100 Gb/s, at most eight; what is stated per GPU is a NIC
/// each.
struct StatedNetwork {
  int nics = 0;
  double gbit_per_s = 0;  ///< of a NIC
};
std::optional<StatedNetwork> NetworkIn(const std::string& notes, int gpus_per_node);

}  // namespace dflop
