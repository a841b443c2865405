// The operations of the format with their dimensions, and the strict reading and writing of rows; the ranges of sizes
// and times are documented ones.
#include "traces/cost_trace.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json_reader.hpp"

namespace dflop {
namespace {

constexpr char kSchema[] = "dflop/cost-trace/1";

// Documented ranges: a size up to 10^9 (bytes up to 10^15), a time from a nanosecond to a day.
constexpr double kMaxSize = 1e9;
constexpr double kMaxBytes = 1e15;
constexpr double kMinTime = 1e-9;
constexpr double kMaxTime = 86400;
constexpr std::size_t kMostSequences = 65536;  // of a pack
constexpr char kPackedAttention[] = "attention_packed";
constexpr char kLengthsKey[] = "lengths";

using Names = std::vector<std::string>;

struct Operation {
  std::string name;
  Names dimensions;
};

const std::vector<Operation>& Operations() {
  static const Names kAttention = {"batch", "seq", "heads", "kv_heads", "head_dim"};
  static const Names kMemoryBound = {"bytes"};
  static const Names kCollective = {"bytes", "ranks"};
  static const std::vector<Operation> kOperations = {
      {"gemm", {"m", "n", "k"}},
      {"attention_causal", kAttention},
      {"attention_full", kAttention},
      {kPackedAttention, {"heads", "kv_heads", "head_dim"}},
      {"norm", kMemoryBound},
      {"activation", kMemoryBound},
      {"rope", kMemoryBound},
      {"add", kMemoryBound},
      {"embedding", kMemoryBound},
      {"softmax", kMemoryBound},
      {"copy", kMemoryBound},
      {"loss", {"tokens", "vocab"}},
      {"optimizer", {"parameters"}},
      {"launch", {}},
      {"layer", {"tokens", "seq", "hidden", "ffn_hidden", "heads", "kv_heads", "gated", "causal"}},
      {"all_reduce", kCollective},
      {"reduce_scatter", kCollective},
      {"all_gather", kCollective},
      {"all_to_all", kCollective},
      {"send_recv", kCollective}};
  return kOperations;
}

Names OperationNames() {
  Names names;
  for (const Operation& operation : Operations()) names.push_back(operation.name);
  return names;
}

std::int64_t ReadSize(const JsonReader& json, const std::string& dimension) {
  if (dimension == "gated" || dimension == "causal") return json.Int(0, 1);
  return json.Int(1, static_cast<std::int64_t>(LargestSize(dimension)));
}

std::vector<std::int64_t> ReadLengths(const JsonReader& json) {
  std::vector<std::int64_t> lengths;
  if (json.Size() == 0 || json.Size() > kMostSequences) {
    json.Fail("holds " + std::to_string(json.Size()) + " lengths, allowed are 1 to " + std::to_string(kMostSequences));
  }
  for (const JsonReader& length : json.Elements()) lengths.push_back(ReadSize(length, kLengthsKey));
  return lengths;
}

void ReadShape(const JsonReader& json, CostRow& row) {
  Names names = ShapeDimensions(row.op);
  row.shape.reserve(names.size());
  for (const std::string& name : names) {
    row.shape.emplace_back(name, static_cast<double>(ReadSize(json.At(name), name)));
  }
  if (IsPacked(row.op)) {
    row.lengths = ReadLengths(json.At(kLengthsKey));
    names.emplace_back(kLengthsKey);
  }
  json.AllowOnly(names);
}

CostRow ReadRow(const JsonReader& json) {
  json.AllowOnly({"op", "shape", "dtype", "direction", "kernel", "median_s", "spread_s", "count"});
  CostRow row;
  row.op = json.At("op").OneOf(OperationNames());
  ReadShape(json.At("shape"), row);
  row.dtype = json.At("dtype").OneOf({"bf16", "fp16", "fp32", "fp64", "fp8"});
  const bool gemm = row.op == "gemm";
  row.direction = json.At("direction")
                      .OneOf(gemm ? std::vector<std::string>{"forward", "input_gradient", "weight_gradient"}
                                  : std::vector<std::string>{"forward", "backward"});
  if (json.Has("kernel")) row.kernel = json.At("kernel").String();
  row.median = Seconds(json.At("median_s").Number(kMinTime, kMaxTime));
  row.spread = Seconds(json.NumberOr("spread_s", 0, 0, kMaxTime));
  row.count = static_cast<int>(json.IntOr("count", 0, 0, 1'000'000'000));
  return row;
}

Json ReadFreeObject(const JsonReader& json, const char* key) {
  const JsonReader member = json.At(key);
  if (!member.IsObject()) member.Fail(std::string("is ") + member.json().kind() + ", an object is wanted");
  return member.json();
}

Json ToJson(const CostRow& row) {
  Json json;
  json["op"] = row.op;
  json["shape"] = ShapeJson(row);
  json["dtype"] = row.dtype;
  json["direction"] = row.direction;
  if (!row.kernel.empty()) json["kernel"] = row.kernel;
  json["median_s"] = row.median.value();
  if (row.spread > Seconds(0)) json["spread_s"] = row.spread.value();
  if (row.count > 0) json["count"] = row.count;
  return json;
}

}  // namespace

double LargestSize(const std::string& dimension) { return dimension == "bytes" ? kMaxBytes : kMaxSize; }

double CostRow::dimension(const std::string& name) const {
  const auto found = std::find_if(shape.begin(), shape.end(), [&](const auto& entry) { return entry.first == name; });
  DFLOP_CHECK(found != shape.end(), op + " has no dimension " + name);
  return found->second;
}

std::vector<std::string> ShapeDimensions(const std::string& op) {
  for (const Operation& operation : Operations()) {
    if (operation.name == op) return operation.dimensions;
  }
  return {};
}

bool IsPacked(const std::string& op) { return op == kPackedAttention; }

bool IsMemoryBound(const std::string& op) { return ShapeDimensions(op) == Names{"bytes"}; }

double ValueBytes(const std::string& dtype) {
  if (dtype == "fp64") return 8;
  if (dtype == "fp32") return 4;
  return dtype == "fp8" ? 1 : 2;
}

Json ShapeJson(const CostRow& row) {
  Json shape = Json::EmptyObject();
  for (const auto& [name, size] : row.shape) shape[name] = static_cast<std::int64_t>(size);
  if (!row.lengths.empty()) shape[kLengthsKey] = Json::ArrayOf(row.lengths);
  return shape;
}

CostTrace ReadCostTrace(const std::string& path) {
  const Json document = ReadJsonFile(path);
  return ReadCostTrace(JsonReader(document, path));
}

CostTrace ReadCostTrace(const JsonReader& json) {
  json.CheckSchema(kSchema, true);
  json.AllowOnly({"schema", "device", "software", "method", "rows"});
  CostTrace trace;
  trace.device = json.At("device").String();
  trace.software = ReadFreeObject(json, "software");
  trace.method = ReadFreeObject(json, "method");
  const JsonReader rows = json.At("rows");
  if (rows.Size() == 0) rows.Fail("is empty, at least one measured kernel is wanted");
  for (const JsonReader& row : rows.Elements()) trace.rows.push_back(ReadRow(row));
  return trace;
}

// One row a line, so that a trace of fifty thousand kernels can be read by eye, searched and compared as text.
void WriteCostTrace(const std::string& path, const CostTrace& trace) {
  std::string text = "{\n \"schema\": " + JsonQuote(kSchema) + ",\n \"device\": " + JsonQuote(trace.device) +
                     ",\n \"software\": " + trace.software.Dump() + ",\n \"method\": " + trace.method.Dump() +
                     ",\n \"rows\": [";
  for (std::size_t i = 0; i < trace.rows.size(); ++i) {
    text.append(i == 0 ? "\n  " : ",\n  ").append(ToJson(trace.rows[i]).Dump());
  }
  WriteFile(path, text + "\n ]\n}\n");
}

}  // namespace dflop
