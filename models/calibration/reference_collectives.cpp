// Tables whose layout `dflop trace import` knows are read as it reads them; two are of a layout of their own.
#include "models/calibration/reference_collectives.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "base/csv.hpp"
#include "base/json.hpp"
#include "base/json_reader.hpp"
#include "traces/network_trace.hpp"

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

CollectiveOp OpNamed(const std::string& name) {
  for (const auto op : {CollectiveOp::kReduceScatter, CollectiveOp::kAllGather, CollectiveOp::kAllToAll,
                        CollectiveOp::kSend, CollectiveOp::kBroadcast}) {
    if (name == NameOf(op)) return op;
  }
  return CollectiveOp::kAllReduce;
}

/// A part of a file that holds tables of several systems or versions of NCCL.
struct Part {
  const char* table;  ///< ours
  const char* kind;
  const char* file;
  const char* system;
  const char* version;
  const char* dtype;  ///< where the file does not say
  bool between_nodes;
};
constexpr char kAic[] = "/aiconfigurator/nccl_intra_node.csv";
constexpr char kAicMore[] = "/more/aiconfigurator/nccl_intra_node_other_versions.csv";
constexpr char kVidur[] = "/vidur/network_collectives.csv";
constexpr char kLogs[] = "/more/nccl_logs/all_reduce_dgxh100_aws.csv";
/// Of vidur's pairs of GPUs on NVLink, which are no node kind of ours, what goes between nodes.
constexpr std::array<Part, 19> kParts = {
    {{"aiconfigurator a100 2.27.3", "A100", kAic, "a100_sxm", "2.27.3", "", false},
     {"aiconfigurator b200 2.27.3", "B200", kAicMore, "b200_sxm", "2.27.3", "", false},
     {"aiconfigurator b200 2.28.9", "B200", kAicMore, "b200_sxm", "2.28.9", "", false},
     {"aiconfigurator b200 2.29.2", "B200", kAic, "b200_sxm", "2.29.2", "", false},
     {"aiconfigurator gb200 2.23", "B200", kAicMore, "gb200", "2.23", "", false},
     {"aiconfigurator gb200 2.29.2", "B200", kAic, "gb200", "2.29.2", "", false},
     {"aiconfigurator h100 2.27.3", "H100", kAicMore, "h100_sxm", "2.27.3", "", false},
     {"aiconfigurator h100 2.29.2", "H100", kAic, "h100_sxm", "2.29.2", "", false},
     {"aiconfigurator h200 2.26.2", "H100", kAicMore, "h200_sxm", "2.26.2", "", false},
     {"aiconfigurator h200 2.29.2", "H100", kAic, "h200_sxm", "2.29.2", "", false},
     {"vidur a100_dgx", "A100", kVidur, "a100_dgx", "", "half", false},
     {"vidur h100_dgx", "H100", kVidur, "h100_dgx", "", "half", false},
     {"dgxc h100", "H100", kLogs, "DGX H100", "", "", false},
     {"vidur a100_dgx", "A100", kVidur, "a100_dgx", "", "half", true},
     {"vidur h100_dgx", "H100", kVidur, "h100_dgx", "", "half", true},
     {"vidur a100_pairwise_nvlink", "A100", kVidur, "a100_pairwise_nvlink", "", "half", true},
     {"p4de", "A100", kLogs, "AWS p4de.24xlarge (A100-80GB, 4x100 Gb/s EFA)", "", "", true},
     {"p5", "H100", kLogs, "AWS p5.48xlarge (H100, 32x100 Gb/s EFA)", "", "", true},
     {"p5 k8s", "H100", kLogs, "AWS p5.48xlarge (H100, 32x100 Gb/s EFA) k8s", "", "", true}}};

void AddPart(const std::string& folder, const Part& part, Rows& rows) {
  const NetworkTrace trace =
      ReadMeasuredCollectives(folder + part.file, {.system = part.system, .version = part.version});
  for (const CollectiveRow& row : trace.rows) {
    const bool one_run = part.file == kLogs;
    if ((row.ranks > row.ranks_per_node) != part.between_nodes || (one_run && row.bytes < kLeastLoggedBytes)) continue;
    rows.push_back({part.table, part.kind, OpNamed(row.op), row.dtype.empty() ? part.dtype : row.dtype, row.ranks,
                    row.ranks_per_node, Bytes(row.bytes), Seconds(row.seconds)});
  }
}

class TableReader {
 public:
  explicit TableReader(const std::string& path) : table_(ReadCsv(path)) {}
  std::size_t size() const { return table_.rows.size(); }
  double Number(std::size_t row, const char* column) const {
    return table_.Number(row, table_.Column(column), 0, 1e15);
  }

 private:
  CsvTable table_;
};

void AddVtrain(const std::string& path, Rows& rows) {
  const TableReader in(path);
  for (std::size_t i = 0; i < in.size(); ++i) {
    const int ranks = static_cast<int>(in.Number(i, "num_gpus"));
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
  for (const Part& part : kParts) {
    if (part.between_nodes != one_node) AddPart(folder, part, rows);
  }
  if (one_node) {
    AddVtrain(folder + "/vtrain/a100_allreduce_intra_node.csv", rows);
    AddGalvatron(folder + "/more/galvatron/hardware/sp_time_1nodes_8gpus_per_node.json", rows);
  }
  AddMlEngineering(folder + "/ml-engineering/b200_allreduce_1node_vs_4node_efa.csv", one_node, rows);
  return Arranged(std::move(rows));
}

}  // namespace

std::vector<MeasuredCollective> LoadOneNodeCollectives(const std::string& folder) { return Load(folder, true); }

std::vector<MeasuredCollective> LoadCollectivesBetweenNodes(const std::string& folder) { return Load(folder, false); }

}  // namespace dflop
