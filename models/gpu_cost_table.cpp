// Files hold efficiencies with four digits, memory holds their logarithms.
#include "models/gpu_cost_table.hpp"

#include <array>
#include <charconv>
#include <cmath>

#include "base/text.hpp"

namespace dflop {
namespace {

constexpr char kSchema[] = "dflop/gpu-costs/1";
constexpr std::array<const char*, 3> kGemmAxes = {"m", "n", "k"};
constexpr std::array<const char*, 3> kAttentionAxes = {"batch_heads", "seq", "heads_per_kv_head"};

double FourDigits(double value) {
  const std::string text = Format("%.4g", value);
  double rounded = 0;
  std::from_chars(text.data(), text.data() + text.size(), rounded);
  return rounded;
}

EfficiencySurface ReadSurface(const JsonReader& json, const std::array<const char*, 3>& names) {
  LogGrid::Axes axes;
  const JsonReader log2_axes = json.At("log2_axes");
  log2_axes.AllowOnly({names[0], names[1], names[2]});
  for (std::size_t d = 0; d < 3; ++d) {
    const JsonReader range = log2_axes.At(names[d]);
    const auto first = static_cast<int>(range.Element(0).Int(-10, 40));
    const auto last = static_cast<int>(range.Element(1).Int(first, 40));
    axes[d] = {first, last - first + 1};
  }
  std::vector<double> values;
  const JsonReader efficiency = json.At("efficiency");
  if (efficiency.Size() != LogGrid::Nodes(axes)) efficiency.Fail("does not hold one value per node of log2_axes");
  values.reserve(efficiency.Size());
  for (const JsonReader& value : efficiency.Elements()) values.push_back(std::log(value.Number(1e-12, 10)));
  return {LogGrid(axes, std::move(values)), Seconds(json.At("floor_s").Number(0, 1))};
}

void WriteSurface(const EfficiencySurface& surface, const std::array<const char*, 3>& names, Json& json) {
  for (std::size_t d = 0; d < 3; ++d) {
    const LogGrid::Axis& axis = surface.log_efficiency.axes()[d];
    json["log2_axes"][names[d]] = Json::ArrayOf(std::vector<int>{axis.first, axis.last()});
  }
  json["floor_s"] = FourDigits(surface.floor.value());
  for (const double value : surface.log_efficiency.values()) json["efficiency"].push_back(FourDigits(std::exp(value)));
}

AttentionSurface ReadAttention(const JsonReader& json) {
  json.AllowOnly({"kind", "head_dim", "measured", "source", "log2_axes", "floor_s", "efficiency"});
  AttentionSurface attention;
  attention.causal = json.At("kind").OneOf({"causal", "full"}) == "causal";
  attention.head_dim = static_cast<int>(json.At("head_dim").Int(1, 1024));
  attention.measured = json.At("measured").Bool();
  attention.source = json.At("source").String();
  attention.surface = ReadSurface(json, kAttentionAxes);
  return attention;
}

BackwardFactors ReadBackward(const JsonReader& json) {
  json.AllowOnly({"input_gradient", "weight_gradient", "attention", "source"});
  return {json.At("input_gradient").Number(0.1, 10), json.At("weight_gradient").Number(0.1, 10),
          json.At("attention").Number(0.1, 10), json.At("source").String()};
}

}  // namespace

const AttentionSurface* GpuCostTable::FindAttention(bool causal, int head_dim) const {
  for (const AttentionSurface& surface : attention) {
    if (surface.causal == causal && surface.head_dim == head_dim) return &surface;
  }
  return nullptr;
}

GpuCostTable ReadGpuCostTable(const JsonReader& json) {
  json.CheckSchema(kSchema, true);
  json.AllowOnly(
      {"schema", "gpu", "peak_flops_per_s", "source", "error_band", "backward", "memory", "gemm", "attention"});
  GpuCostTable table;
  table.gpu = json.At("gpu").String();
  table.peak = FlopsPerSecond(json.At("peak_flops_per_s").Number(1e9, 1e18));
  table.source = json.At("source").String();
  table.error_band = json.At("error_band").json();
  table.backward = ReadBackward(json.At("backward"));
  const JsonReader memory = json.At("memory");
  memory.AllowOnly({"efficiency", "source"});
  table.memory_efficiency = memory.At("efficiency").Number(0.01, 1);
  table.memory_source = memory.At("source").String();
  json.At("gemm").AllowOnly({"log2_axes", "floor_s", "efficiency"});
  table.gemm = ReadSurface(json.At("gemm"), kGemmAxes);
  for (const JsonReader& attention : json.At("attention").Elements()) {
    table.attention.push_back(ReadAttention(attention));
  }
  return table;
}

Json ToJson(const GpuCostTable& table) {
  Json json;
  json["schema"] = kSchema;
  json["gpu"] = table.gpu;
  json["peak_flops_per_s"] = table.peak.value();
  json["source"] = table.source;
  json["error_band"] = table.error_band;
  json["backward"]["input_gradient"] = FourDigits(table.backward.input_gradient);
  json["backward"]["weight_gradient"] = FourDigits(table.backward.weight_gradient);
  json["backward"]["attention"] = FourDigits(table.backward.attention);
  json["backward"]["source"] = table.backward.source;
  json["memory"]["efficiency"] = table.memory_efficiency;
  json["memory"]["source"] = table.memory_source;
  json["gemm"] = Json::EmptyObject();
  WriteSurface(table.gemm, kGemmAxes, json["gemm"]);
  json["attention"] = Json::EmptyArray();
  for (const AttentionSurface& attention : table.attention) {
    Json entry;
    entry["kind"] = attention.causal ? "causal" : "full";
    entry["head_dim"] = attention.head_dim;
    entry["measured"] = attention.measured;
    entry["source"] = attention.source;
    WriteSurface(attention.surface, kAttentionAxes, entry);
    json["attention"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace dflop
