// Every source has its own columns; bytes follow nccl-tests in all of them.
#include "models/calibration/reference_collectives.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <utility>

#include "base/csv.hpp"
#include "base/json.hpp"
#include "base/json_reader.hpp"

namespace dflop {
namespace {

using Rows = std::vector<MeasuredCollective>;

constexpr std::size_t kSizesPerHeldOut = 5;
constexpr std::size_t kHeldOutSize = 2;
constexpr int kHeldOutRanks = 4;
/// Below, a log of one run tells what its first launches cost.
constexpr double kLeastLoggedBytes = 256;
/// Four nodes take up to 17 times as long for less than this as for more.
constexpr double kLeastOverEfa = 262144;
constexpr double kGb = 1e9;

CollectiveOp OpOf(const CsvTable& table, std::size_t row) {
  static const std::map<std::string, CollectiveOp> kOps = {{"all_reduce", CollectiveOp::kAllReduce},
                                                           {"all_gather", CollectiveOp::kAllGather},
                                                           {"reduce_scatter", CollectiveOp::kReduceScatter},
                                                           {"alltoall", CollectiveOp::kAllToAll},
                                                           {"send_recv", CollectiveOp::kSend}};
  const auto found = kOps.find(table.rows[row][table.Column("op")]);
  if (found == kOps.end()) table.Fail(row, "names no collective");
  return found->second;
}

/// "h200_sxm" → "h200"
std::string ShortName(const std::string& system) { return system.substr(0, system.find('_')); }

std::string KindOf(const std::string& system) {
  if (system == "a100") return "A100";
  return system == "h100" || system == "h200" ? "H100" : "B200";
}

class TableReader {
 public:
  explicit TableReader(const std::string& path) : table_(ReadCsv(path)) {}
  std::size_t size() const { return table_.rows.size(); }
  const CsvTable& table() const { return table_; }
  const std::string& Text(std::size_t row, const char* column) const { return table_.rows[row][table_.Column(column)]; }
  double Number(std::size_t row, const char* column) const {
    return table_.Number(row, table_.Column(column), 0, 1e15);
  }
  int Count(std::size_t row, const char* column) const { return static_cast<int>(Number(row, column)); }

 private:
  CsvTable table_;
};

void AddAiconfigurator(const std::string& path, Rows& rows) {
  const TableReader in(path);
  for (std::size_t i = 0; i < in.size(); ++i) {
    const std::string system = ShortName(in.Text(i, "system"));
    if (system == "l40s") continue;  // without NVLink
    const int ranks = in.Count(i, "num_gpus");
    rows.push_back({"aiconfigurator " + system + " " + in.Text(i, "nccl_version"), KindOf(system), OpOf(in.table(), i),
                    in.Text(i, "dtype"), ranks, ranks, Bytes(in.Number(i, "size_bytes")),
                    Seconds(in.Number(i, "latency_ms") * 1e-3)});
  }
}

void AddVidur(const std::string& path, bool one_node, Rows& rows) {
  const TableReader in(path);
  for (std::size_t i = 0; i < in.size(); ++i) {
    const std::string& network = in.Text(i, "network");
    const int ranks = in.Count(i, "num_gpus");
    const int per_node = in.Count(i, "gpus_per_node_used");
    if ((ranks == per_node) != one_node) continue;
    if (one_node && !network.ends_with("_dgx")) continue;  // pairs of GPUs on NVLink are no node kind of ours
    rows.push_back({"vidur " + network, KindOf(ShortName(network)), OpOf(in.table(), i), "half", ranks, per_node,
                    Bytes(in.Number(i, "size_bytes")), Seconds(in.Number(i, "median_ms") * 1e-3)});
  }
}

void AddVtrain(const std::string& path, Rows& rows) {
  const TableReader in(path);
  for (std::size_t i = 0; i < in.size(); ++i) {
    const int ranks = in.Count(i, "num_gpus");
    rows.push_back({"vtrain a100", "A100", CollectiveOp::kAllReduce, "float", ranks, ranks,
                    Bytes(in.Number(i, "size_bytes")), Seconds(in.Number(i, "out_of_place_ms") * 1e-3)});
  }
}

/// Keys are like "allreduce_size_8_16MB_time" and "all2all_size_8_16MB_time", values in ms.
void AddGalvatron(const std::string& path, Rows& rows) {
  const Json json = ReadJsonFile(path);
  const JsonReader in(json, path);
  for (const std::string& key : in.Keys()) {
    const std::size_t size = key.find("_size_") + 6;
    const std::size_t bytes = key.find('_', size) + 1;
    const int ranks = std::stoi(key.substr(size));
    const auto op = key.starts_with("allreduce") ? CollectiveOp::kAllReduce : CollectiveOp::kAllToAll;
    rows.push_back({"galvatron a100", "A100", op, "half", ranks, ranks,
                    Bytes(std::stod(key.substr(bytes)) * 1024 * 1024), Seconds(in.At(key).Number(0, 1e6) * 1e-3)});
  }
}

/// What the log of nccl-tests calls its systems, and what we call them.
struct LoggedSystem {
  const char* name;
  const char* table;
  const char* kind;
};
constexpr std::array<LoggedSystem, 4> kLogged = {{{"DGX H100", "dgxc h100", "H100"},
                                                  {"AWS p4de.24xlarge (A100-80GB, 4x100 Gb/s EFA)", "p4de", "A100"},
                                                  {"AWS p5.48xlarge (H100, 32x100 Gb/s EFA)", "p5", "H100"},
                                                  {"AWS p5.48xlarge (H100, 32x100 Gb/s EFA) k8s", "p5 k8s", "H100"}}};

void AddLogs(const std::string& path, bool one_node, Rows& rows) {
  const TableReader in(path);
  for (std::size_t i = 0; i < in.size(); ++i) {
    const int nodes = in.Count(i, "nodes");
    const double bytes = in.Number(i, "size_bytes");
    if ((nodes == 1) != one_node || bytes < kLeastLoggedBytes) continue;
    const auto system =
        std::find_if(kLogged.begin(), kLogged.end(), [&](const auto& s) { return in.Text(i, "system") == s.name; });
    if (system == kLogged.end()) in.table().Fail(i, "names a system that we do not know");
    const int ranks = in.Count(i, "gpus");
    rows.push_back({system->table, system->kind, OpOf(in.table(), i), in.Text(i, "dtype"), ranks, ranks / nodes,
                    Bytes(bytes), Seconds(in.Number(i, "out_of_place_us") * 1e-6)});
  }
}

void AddMlEngineering(const std::string& path, bool one_node, Rows& rows) {
  const TableReader in(path);
  const int ranks = one_node ? 8 : 32;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const Bytes bytes(in.Number(i, "size_bytes"));
    if (!one_node && bytes < Bytes(kLeastOverEfa)) continue;
    const BytesPerSecond bus(kGb * in.Number(i, one_node ? "busbw_1node_8gpu_GBps" : "busbw_4node_32gpu_GBps"));
    rows.push_back({one_node ? "ml-engineering b200" : "4 x p6-b200", "B200", CollectiveOp::kAllReduce, "float", ranks,
                    8, bytes, bytes * SentShare(CollectiveOp::kAllReduce, ranks) / bus});
  }
}

auto GroupOf(const MeasuredCollective& row) {
  return std::tuple(row.table, row.op, row.dtype, row.ranks, row.ranks_per_node);
}

/// Sorted, one row of equal ones, and what is held out marked.
Rows Arranged(Rows rows) {
  const auto key = [](const MeasuredCollective& row) { return std::pair(GroupOf(row), row.bytes); };
  std::sort(rows.begin(), rows.end(),
            [&](const auto& a, const auto& b) { return std::pair(key(a), a.time) < std::pair(key(b), b.time); });
  Rows arranged;
  std::size_t size = 0;
  for (std::size_t i = 0, end = 0; i < rows.size(); i = end) {
    while (end < rows.size() && key(rows[end]) == key(rows[i])) ++end;
    const std::size_t last = end - 1;
    MeasuredCollective row = rows[i];
    row.time = (rows[i + (last - i) / 2].time + rows[i + (last - i + 1) / 2].time) / 2;
    size = !arranged.empty() && GroupOf(arranged.back()) == GroupOf(row) ? size + 1 : 0;
    row.held_size = size % kSizesPerHeldOut == kHeldOutSize;
    row.held_ranks = row.ranks == kHeldOutRanks;
    arranged.push_back(std::move(row));
  }
  return arranged;
}

Rows Load(const std::string& folder, bool one_node) {
  Rows rows;
  if (one_node) {
    AddAiconfigurator(folder + "/aiconfigurator/nccl_intra_node.csv", rows);
    AddAiconfigurator(folder + "/more/aiconfigurator/nccl_intra_node_other_versions.csv", rows);
    AddVtrain(folder + "/vtrain/a100_allreduce_intra_node.csv", rows);
    AddGalvatron(folder + "/more/galvatron/hardware/sp_time_1nodes_8gpus_per_node.json", rows);
  }
  AddVidur(folder + "/vidur/network_collectives.csv", one_node, rows);
  AddLogs(folder + "/more/nccl_logs/all_reduce_dgxh100_aws.csv", one_node, rows);
  AddMlEngineering(folder + "/ml-engineering/b200_allreduce_1node_vs_4node_efa.csv", one_node, rows);
  return Arranged(std::move(rows));
}

}  // namespace

std::vector<MeasuredCollective> LoadOneNodeCollectives(const std::string& folder) { return Load(folder, true); }

std::vector<MeasuredCollective> LoadCollectivesBetweenNodes(const std::string& folder) { return Load(folder, false); }

}  // namespace dflop
