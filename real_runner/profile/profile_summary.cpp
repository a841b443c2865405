// A trace is held against itself: layers against the sum of their kernels, packs against the sum of their sequences.
#include "real_runner/profile/profile_summary.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "models/cost_errors.hpp"
#include "models/trace_kernel_costs.hpp"
#include "real_runner/kernels/layer_operations.hpp"
#include "real_runner/kernels/row_shapes.hpp"

namespace dflop {
namespace {

template <typename... Values>
std::string Format(const char* format, Values... values) {
  char text[256];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

using Times = std::map<std::string, Seconds>;

Times ByKey(const CostTrace& trace) {
  Times times;
  for (const CostRow& row : trace.rows) times[RowKey(row)] = row.median;
  return times;
}

std::optional<Seconds> SumOf(const CostRow& layer, const Times& times) {
  Seconds sum(0);
  for (const LayerPart& part : LayerParts(layer)) {
    const auto found = times.find(RowKey(part.row));
    if (found == times.end()) return std::nullopt;
    sum += found->second * part.times;
  }
  return sum;
}

std::string RatesText(const CostTrace& trace) {
  std::vector<double> rates;
  for (const CostRow& row : trace.rows) {
    if (row.op == "gemm") rates.push_back(RowFlops(row) / row.median.value());
  }
  if (rates.empty()) return "";
  std::sort(rates.begin(), rates.end());
  return Format("gemm      %zu rows at %.3g to %.3g GFLOP/s, median %.3g\n", rates.size(), rates.front() / 1e9,
                rates.back() / 1e9, rates[rates.size() / 2] / 1e9);
}

std::string LayerText(const LayerCheck& check) {
  const CostRow& layer = check.layer;
  const std::string name =
      Format("%s, hidden %.0f, %.0f x %.0f tokens", layer.dimension("causal") > 0 ? "llm" : "encoder",
             layer.dimension("hidden"), layer.dimension("tokens") / layer.dimension("seq"), layer.dimension("seq"));
  return Format("%-40s  %-9s %12.3f ms %11.3f ms %7.3f\n", name.c_str(), layer.direction.c_str(),
                check.sum.value() * 1e3, layer.median.value() * 1e3, check.ratio());
}

std::string PackText(const PackCheck& check) {
  const auto [shortest, longest] = std::minmax_element(check.pack.lengths.begin(), check.pack.lengths.end());
  const std::string name = Format("%zu sequences of %lld to %lld, %.0f/%.0f heads", check.pack.lengths.size(),
                                  static_cast<long long>(*shortest), static_cast<long long>(*longest),
                                  check.pack.dimension("heads"), check.pack.dimension("kv_heads"));
  return Format("%-40s  %-9s %12.3f ms %11.3f ms %7.3f%s\n", name.c_str(), check.pack.direction.c_str(),
                check.sum.time.value() * 1e3, check.pack.median.value() * 1e3, check.ratio(),
                check.sum.extrapolated ? "  extrapolated" : "");
}

/// Fills what a trace lacks; the checks ask for nothing that it lacks.
std::shared_ptr<const KernelCosts> AnyKernelCosts() {
  const Json name("h100-sxm");
  return BuiltInKernelCosts(ReadGpu(JsonReader(name, "reference GPU")));
}

std::string TableHead(const char* what, const char* sum) {
  return Format("\n%-40s  %-9s %15s %14s %7s\n", what, "direction", sum, "measured", "ratio");
}

}  // namespace

std::vector<LayerCheck> CheckLayers(const ProfilePlan& plan, const CostTrace& trace) {
  const Times times = ByKey(trace);
  std::vector<LayerCheck> checks;
  for (const CostRow& planned : plan.layers) {
    const auto whole = times.find(RowKey(planned));
    const std::optional<Seconds> sum = SumOf(planned, times);
    if (whole == times.end() || !sum) continue;
    CostRow layer = planned;
    layer.median = whole->second;
    checks.push_back({layer, *sum});
  }
  return checks;
}

std::vector<PackCheck> CheckPacks(const CostTrace& trace) {
  std::set<std::string> directions;
  for (const CostRow& row : trace.rows) {
    if (row.op == "attention_causal") directions.insert(row.direction);
  }
  const MeasuredKernelCosts costs(trace, "this trace", AnyKernelCosts());
  std::vector<PackCheck> checks;
  for (const CostRow& row : trace.rows) {
    if (IsPacked(row.op) && directions.count(row.direction) > 0) checks.push_back({row, Predict(costs, row)});
  }
  return checks;
}

std::string SummaryText(const ProfilePlan& plan, const ProfileOutcome& outcome) {
  const CostTrace& trace = outcome.trace;
  std::string text = Format("rows      %zu of %zu planned; %zu skipped, %zu disturbed launches rejected\n",
                            trace.rows.size(), outcome.planned, outcome.skipped, outcome.disturbed);
  text += RatesText(trace);
  const std::vector<LayerCheck> layers = CheckLayers(plan, trace);
  if (!layers.empty()) text += TableHead("layer", "sum of kernels");
  for (const LayerCheck& check : layers) text += LayerText(check);
  const std::vector<PackCheck> packs = CheckPacks(trace);
  if (!packs.empty()) text += TableHead("causal attention over a pack", "sum of lengths");
  for (const PackCheck& check : packs) text += PackText(check);
  return text;
}

}  // namespace dflop
