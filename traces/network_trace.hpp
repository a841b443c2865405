// Measured collectives: what `dflop/network-trace/1` holds, and the foreign tables that become one.
#pragma once

#include <set>
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
  std::string op{};      ///< "all-reduce", …: of a file that does not say, or the only one wanted of a file that does
  std::string system{};  ///< of a table with several
  std::string version{};   ///< NCCL's, likewise
  std::string dtype{};     ///< the only one wanted, as the source writes it
  int ranks_per_node = 0;  ///< of a file that does not say, or whose host names say it wrong
};

/// The data types of the rows that say theirs.
std::set<std::string> DtypesOf(const NetworkTrace& trace);

/// InputError with the place of what is wrong; rows in the order of operation, ranks and bytes.
NetworkTrace ReadNetworkTrace(const JsonReader& json);
Json ToJson(const NetworkTrace& trace);

/// What was measured in several files of one machine, as one: of what several repeat the median.
NetworkTrace JoinNetworkTraces(const std::vector<NetworkTrace>& traces);

/// A dflop/network-trace/1 file; a text log of nccl-tests (1.x to 2.19: any columns of theirs, several tests one after
/// the other, tags of launchers before its lines); its JSON (-J); or a CSV table with the columns of
///   aiconfigurator  system, nccl_version, op, dtype, num_gpus, size_bytes, latency_ms
///   vidur           num_workers, devices_per_node, size, collective, time_stats.OP.median; or condensed: network, op,
///                   num_gpus, gpus_per_node_used, size_bytes, median_ms
///   vtrain          num_gpus, size_bytes, out_of_place_ms
///   logs            system, nodes, gpus, op, dtype, size_bytes, out_of_place_us
///   bus rates       size_bytes, busbw_Nnode_Ggpu_GBps …: a column per placement of G ranks on N nodes
/// told by how it begins. Times out of place are taken, those in place only where there are no others. Of repeated rows
/// the median counts, of an even number the lower of the middle two: a time that was measured. InputError with file and
/// line or pointer.
NetworkTrace ReadMeasuredCollectives(const std::string& path, const NetworkImport& import);

/// "all-reduce" of all_reduce, AllReduce, all_reduce_perf …; "" for no collective that is known.
std::string CollectiveNameOf(std::string_view foreign);

/// By what nccl-tests multiplies bytes over seconds into a bus bandwidth (its doc/PERFORMANCE.md): 2(n − 1)/n of an
/// all-reduce, (n − 1)/n of a half of one and of an all-to-all, 1 of a send and a broadcast.
double BusFactor(const std::string& op, int ranks);

}  // namespace dflop
