// Measured collectives: what `dflop/network-trace/1` holds, and the foreign tables that become one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json_reader.hpp"

namespace dflop {

/// Bytes as nccl-tests counts them: the whole buffer of an all-gather or reduce-scatter, one rank's buffer otherwise.
struct CollectiveRow {
  std::string op;  ///< "all-reduce", "all-gather", "reduce-scatter", "all-to-all", "send", "broadcast"
  int ranks = 2;
  int ranks_per_node = 2;
  double bytes = 0;
  double seconds = 0;
  std::string dtype{};  ///< as the source writes it; may be empty
};

struct NetworkTrace {
  std::string source;
  std::string software{};  ///< NCCL's version, where it is known
  std::vector<CollectiveRow> rows;
};

/// What the files themselves leave open, or which part of a table that holds several is wanted; empty or 0: nothing.
struct NetworkImport {
  std::string op{};       ///< "all-reduce", …: of a log that does not say
  std::string system{};   ///< of a table with several
  std::string version{};  ///< NCCL's, likewise
  int ranks_per_node = 0;
};

/// InputError with the place of what is wrong; rows in the order of operation, ranks and bytes.
NetworkTrace ReadNetworkTrace(const JsonReader& json);
Json ToJson(const NetworkTrace& trace);

/// A dflop/network-trace/1 file, a text log of nccl-tests, its JSON (-J), or a CSV table with the columns of
/// aiconfigurator (system, nccl_version, op, dtype, num_gpus, size_bytes, latency_ms), vidur (network, op, num_gpus,
/// gpus_per_node_used, size_bytes, median_ms), or of logs put in a table (system, nodes, gpus, op, size_bytes,
/// out_of_place_us): told by how it begins. Of repeated rows the median counts.
NetworkTrace ReadMeasuredCollectives(const std::string& path, const NetworkImport& import);

/// "all-reduce" of all_reduce, AllReduce, all_reduce_perf …; "" for no collective that is known.
std::string CollectiveNameOf(std::string_view foreign);

}  // namespace dflop
