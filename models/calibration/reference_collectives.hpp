// The measured tables of collectives that the laws of node kinds are fitted to, and which of their rows a held-out fit
// never sees.
#pragma once

#include <string>
#include <vector>

#include "base/units.hpp"
#include "models/network/collective_law.hpp"

namespace dflop {

/// The median of equal measurements.
struct MeasuredCollective {
  std::string table;  ///< source and NCCL's version where it is recorded: "aiconfigurator h100 2.27.3"
  std::string kind;   ///< of node: "A100", "H100" (H200 too), "B200" (GB200 too)
  CollectiveOp op = CollectiveOp::kAllReduce;
  std::string dtype;  ///< "half", "float", "int8"
  int ranks = 2;
  int ranks_per_node = 2;
  Bytes bytes{0};  ///< as nccl-tests counts them
  Seconds time{0};
  bool held_size = false;   ///< every fifth size of its table, operation, dtype and ranks
  bool held_ranks = false;  ///< four ranks

  bool held_out() const { return held_size || held_ranks; }
};

/// In the order of tables, operations, dtypes, ranks and sizes. InputError where a table is missing or malformed.
std::vector<MeasuredCollective> LoadOneNodeCollectives(const std::string& folder);
/// The same of ranks on several nodes; `table` names the cluster. No row is of several NVLink domains within a node.
std::vector<MeasuredCollective> LoadCollectivesBetweenNodes(const std::string& folder);

}  // namespace dflop
