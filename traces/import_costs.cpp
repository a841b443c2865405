// Two sources in three layouts: aiconfigurator's tables, vidur's own and the condensed one. Vidur's rows are whole
// layers, cut here into the kernels of one rank of the tensor-parallel group.
#include "traces/import_costs.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "base/csv.hpp"
#include "base/error.hpp"
#include "base/json_reader.hpp"
#include "traces/gpu_name.hpp"

namespace dflop {
namespace {

constexpr double kMaxSize = 1e9;
// Times of both sources are milliseconds.
constexpr double kMinMilliseconds = 1e-6;
constexpr double kMaxMilliseconds = 1e7;

double Size(const CsvTable& table, std::size_t row, const std::string& column) {
  const double size = table.Number(row, table.Column(column), 1, kMaxSize);
  if (size != static_cast<double>(static_cast<std::int64_t>(size))) {
    table.Fail(row, "column " + JsonQuote(column) + " holds a fraction, a whole size is wanted");
  }
  return size;
}

Seconds Milliseconds(const CsvTable& table, std::size_t row, const std::string& column, double min = kMinMilliseconds) {
  return Seconds(table.Number(row, table.Column(column), min, kMaxMilliseconds) * 1e-3);
}

Json Method(const std::string& source, const std::vector<std::string>& paths) {
  Json method;
  method["source"] = source;
  for (const std::string& path : paths) method["files"].push_back(std::filesystem::path(path).filename().string());
  return method;
}

/// What the trace says: what `path` is measured on, in the words of --device where both agree.
std::string ChosenDevice(const std::string& path, const std::string& found, const std::string& given) {
  if (found.empty() && given.empty()) {
    throw InputError(path, "", "names no GPU, neither in a folder nor in its own name: say it with --device");
  }
  if (!found.empty() && !given.empty() && !MayBeSameDevice(found, given)) {
    throw InputError(path, "", "is of device " + found + ", --device says " + given);
  }
  return given.empty() ? found : given;
}

// --- aiconfigurator ---

/// "gemm_bf16_h100_sxm.csv" → "h100_sxm", "…_bf16_h100_sxm_sglang.csv" → "h100_sxm": the longest run of words behind
/// the data type that names a known GPU. "" where there is none.
std::string DeviceOfFileName(const std::string& path) {
  const std::string stem = std::filesystem::path(path).stem().string();
  const std::size_t dtype = stem.find("bf16_");
  if (dtype == std::string::npos) return "";
  std::string name = stem.substr(dtype + 5);
  while (!name.empty() && !ParseGpuName(name)) {
    const std::size_t word = name.rfind('_');
    name.resize(word == std::string::npos ? 0 : word);
  }
  return name;
}

/// Of the file's name and its folders, which must not contradict each other.
std::string DeviceOfPath(const std::string& path) {
  const std::string of_name = DeviceOfFileName(path);
  const std::string of_folders = GpuOfPath(path);
  if (!of_name.empty() && !of_folders.empty() && !MayBeSameDevice(of_name, of_folders)) {
    throw InputError(path, "", "is of device " + of_name + " by its name and of " + of_folders + " by its folders");
  }
  return of_name.empty() ? of_folders : of_name;
}

struct AiconfiguratorLayout {
  std::string op;
  std::string label;                                         ///< column that names the collector or kernel
  std::vector<std::pair<std::string, std::string>> columns;  ///< dimension of the trace → column of the table
};

/// Which of the three tables this is, by its columns.
AiconfiguratorLayout LayoutOf(const CsvTable& table) {
  if (table.Has("m")) return {"gemm", "collector", {{"m", "m"}, {"n", "n"}, {"k", "k"}}};
  AiconfiguratorLayout layout = {"attention_full", "kernel", {{"batch", "batch"}, {"seq", "seq_len"}}};
  const bool causal = table.Has("num_kv_heads");
  if (causal) layout.op = "attention_causal";
  layout.columns.emplace_back("heads", "num_heads");
  layout.columns.emplace_back("kv_heads", causal ? "num_kv_heads" : "num_heads");
  layout.columns.emplace_back("head_dim", "head_dim");
  return layout;
}

void AppendAiconfigurator(const std::string& path, CostTrace& trace, std::set<std::string>& labels) {
  const CsvTable table = ReadCsv(path);
  const AiconfiguratorLayout layout = LayoutOf(table);
  const std::size_t label = table.Column(layout.label);
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    CostRow row;
    row.op = layout.op;
    for (const auto& [dimension, column] : layout.columns) row.shape.emplace_back(dimension, Size(table, i, column));
    row.kernel = table.rows[i][label];
    row.median = Milliseconds(table, i, "latency_ms");
    labels.insert(row.kernel);
    trace.rows.push_back(std::move(row));
  }
}

// --- vidur ---

/// One line of vidur's table, whichever of the two layouts it came from.
struct LayerLine {
  std::string gpu;
  std::string model;
  double tensor_parallel, tokens, hidden, ffn_hidden, heads, kv_heads;
  bool gated = true;
};

/// Knows the columns of both layouts: the condensed one (…_ms) and vidur's own (time_stats.….median).
class VidurTable {
 public:
  explicit VidurTable(const std::string& path) : table_(ReadCsv(path)), original_(table_.Has("time_stats.emb.median")) {
    const std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
    model_ = folder.filename().string();
    gpu_ = GpuOfPath(path);
  }

  std::size_t size() const { return table_.rows.size(); }
  /// Whether its lines do not say what they were measured on; its folders may.
  bool device_by_path() const { return original_; }
  const std::string& gpu() const { return gpu_; }

  /// Models whose attention and MLP run side by side have a single norm before both.
  bool Lacks(const std::string& operation) const {
    return operation == "post_attention_layernorm" && !table_.Has(MedianColumn(operation));
  }

  LayerLine Line(std::size_t i) const {
    if (!original_) {
      return {.gpu = table_.rows[i][table_.Column("gpu")],
              .model = table_.rows[i][table_.Column("model")],
              .tensor_parallel = Size(table_, i, "tp"),
              .tokens = Size(table_, i, "num_tokens"),
              .hidden = Size(table_, i, "hidden"),
              .ffn_hidden = Size(table_, i, "ffn_hidden"),
              .heads = Size(table_, i, "heads"),
              .kv_heads = Size(table_, i, "kv_heads")};
    }
    return {.gpu = gpu_,
            .model = model_,
            .tensor_parallel = Size(table_, i, "num_tensor_parallel_workers"),
            .tokens = Size(table_, i, "num_tokens"),
            .hidden = Size(table_, i, "n_embd"),
            .ffn_hidden = Size(table_, i, "n_expanded_embd"),
            .heads = Size(table_, i, "n_head"),
            .kv_heads = Size(table_, i, "n_kv_head"),
            .gated = Gated(i)};
  }

  Seconds Time(std::size_t i, const std::string& operation) const {
    return Milliseconds(table_, i, MedianColumn(operation));
  }
  /// max − min over the repetitions; the condensed table does not tell.
  Seconds Spread(std::size_t i, const std::string& operation) const {
    if (!original_) return Seconds(0);
    const std::string prefix = "time_stats." + operation;
    const Seconds spread = Milliseconds(table_, i, prefix + ".max", 0) - Milliseconds(table_, i, prefix + ".min", 0);
    if (spread < Seconds(0)) table_.Fail(i, JsonQuote(prefix + ".max") + " is below " + JsonQuote(prefix + ".min"));
    return spread;
  }

  /// A shape follows from several columns, so each of them may be in its range and the shape not in that of a trace.
  void CheckShape(std::size_t i, const std::string& operation,
                  const std::vector<std::pair<std::string, double>>& shape) const {
    for (const auto& [dimension, size] : shape) {
      if (size == std::floor(size) && size >= 1 && size <= LargestSize(dimension)) continue;
      std::string complaint = "makes " + dimension + " = " + ShortestNumber(size) + " of ";
      complaint += operation + ": a whole number up to " + ShortestNumber(LargestSize(dimension)) +
                   " is wanted, so tp must divide the widths and heads";
      table_.Fail(i, complaint);
    }
  }

 private:
  std::string MedianColumn(const std::string& operation) const {
    return original_ ? "time_stats." + operation + ".median" : operation + "_ms";
  }
  bool Gated(std::size_t i) const {
    const std::string& text = table_.rows[i][table_.Column("use_gated_mlp")];
    if (text != "True" && text != "False") table_.Fail(i, "column \"use_gated_mlp\" holds neither True nor False");
    return text == "True";
  }

  CsvTable table_;
  bool original_;
  std::string model_;
  std::string gpu_;
};

struct Operation {
  std::string name;  ///< vidur's
  std::string op;    ///< ours
  std::vector<std::pair<std::string, double>> shape;
};

/// What one rank of the tensor-parallel group computes in each operator. Memory-bound operators are charged what they
/// cannot avoid, in 2-byte elements: a norm and the rotary embedding read and write their tensor, an add reads two and
/// writes one, the gated activation reads both halves and writes one.
std::vector<Operation> Operations(const LayerLine& line) {
  const double tp = line.tensor_parallel;
  const double t = line.tokens;
  const double h = line.hidden;
  const double ffn = line.ffn_hidden / tp;
  const double head_dim = h / line.heads;
  const double kv_heads = std::max(line.kv_heads / tp, 1.0);  // replicated where there are fewer than ranks
  const double kv = kv_heads * head_dim;
  const double up = line.gated ? 2 * ffn : ffn;
  return {{"attn_pre_proj", "gemm", {{"m", t}, {"n", h / tp + 2 * kv}, {"k", h}}},
          {"attn_post_proj", "gemm", {{"m", t}, {"n", h}, {"k", h / tp}}},
          {"mlp_up_proj", "gemm", {{"m", t}, {"n", up}, {"k", h}}},
          {"mlp_down_proj", "gemm", {{"m", t}, {"n", h}, {"k", ffn}}},
          {"input_layernorm", "norm", {{"bytes", 4 * t * h}}},
          {"post_attention_layernorm", "norm", {{"bytes", 4 * t * h}}},
          {"attn_rope", "rope", {{"bytes", 4 * t * (h / tp + kv)}}},
          {"mlp_act", "activation", {{"bytes", 2 * t * (up + ffn)}}},
          {"add", "add", {{"bytes", 6 * t * h}}},
          {"emb", "embedding", {{"bytes", 4 * t * h}}}};
}

void AppendVidur(const std::string& path, const std::string& wanted, CostTrace& trace, std::set<std::string>& devices) {
  const VidurTable table(path);
  const std::string of_path = table.device_by_path() && table.gpu().empty() ? ChosenDevice(path, "", wanted) : "";
  for (std::size_t i = 0; i < table.size(); ++i) {
    const LayerLine line = table.Line(i);
    const std::string& device = of_path.empty() ? line.gpu : of_path;
    devices.insert(device);
    if (!wanted.empty() && !MayBeSameDevice(device, wanted)) continue;
    for (Operation& operation : Operations(line)) {
      if (table.Lacks(operation.name)) continue;
      CostRow row;
      table.CheckShape(i, operation.name, operation.shape);
      row.op = operation.op;
      row.dtype = "fp16";
      row.shape = std::move(operation.shape);
      row.kernel = line.model + " tp" + std::to_string(static_cast<int>(line.tensor_parallel)) + " " + operation.name;
      row.median = table.Time(i, operation.name);
      row.spread = table.Spread(i, operation.name);
      trace.rows.push_back(std::move(row));
    }
  }
}

void CheckNotEmpty(const CostTrace& trace, const std::vector<std::string>& paths) {
  if (trace.rows.empty()) throw InputError(paths.front(), "", "holds no measured kernel");
}

void CheckPaths(const std::vector<std::string>& paths) {
  if (paths.empty()) throw InputError("no table is given, at least one file is wanted");
}

}  // namespace

CostTrace ImportAiconfigurator(const std::vector<std::string>& paths, const std::string& given) {
  CheckPaths(paths);
  CostTrace trace;
  std::set<std::string> labels;
  for (const std::string& path : paths) {
    const std::string device = ChosenDevice(path, DeviceOfPath(path), given);
    if (!trace.device.empty() && device != trace.device) {
      throw InputError(path, "", "is of device " + device + ", the files before it are of " + trace.device);
    }
    trace.device = device;
    AppendAiconfigurator(path, trace, labels);
  }
  CheckNotEmpty(trace, paths);
  trace.software["collectors"] = Json::ArrayOf(std::vector<std::string>(labels.begin(), labels.end()));
  trace.method = Method("ai-dynamo/aiconfigurator (Apache-2.0), forward kernels; clocks and power not recorded", paths);
  return trace;
}

CostTrace ImportVidur(const std::vector<std::string>& paths, const std::string& device) {
  CheckPaths(paths);
  CostTrace trace;
  std::set<std::string> devices;
  for (const std::string& path : paths) AppendVidur(path, device, trace, devices);
  const std::string found = JoinNames({devices.begin(), devices.end()});
  const auto wanted = [&](const std::string& other) { return MayBeSameDevice(other, device); };
  if (device.empty() && devices.size() > 1) {
    throw InputError(paths.front(), "", "holds the devices " + found + ", one trace has one: choose it with --device");
  }
  if (!device.empty() && std::none_of(devices.begin(), devices.end(), wanted)) {
    throw InputError(paths.front(), "", "holds no device " + JsonQuote(device) + ", it has: " + found);
  }
  if (!device.empty() && std::count_if(devices.begin(), devices.end(), wanted) > 1) {
    throw InputError(paths.front(), "", "holds the devices " + found + ": " + JsonQuote(device) + " may be several");
  }
  CheckNotEmpty(trace, paths);
  trace.device = device.empty() ? *devices.begin() : device;
  trace.software["framework"] = "vidur profiler, PyTorch";
  trace.method = Method("microsoft/vidur (MIT), median of the repetitions, fp16, forward, one layer", paths);
  return trace;
}

}  // namespace dflop
