// Inverse-distance weighting (Shepard 1968) of the logarithm of the rate, over the eight nearest shapes. A trace's own
// error band comes from leaving out one shape at a time.
#include "models/trace_kernel_costs.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "models/cost_errors.hpp"
#include "traces/gpu_name.hpp"

namespace dflop {
namespace {

using Point = NearestPoints::Point;
using Row = MeasuredTimes::Row;

constexpr std::size_t kNeighbours = 8;

double LogWork(const Point& exponents, const Point& at) {
  double log2_work = 0;
  for (std::size_t d = 0; d < at.size(); ++d) log2_work += exponents[d] * at[d];
  return log2_work * std::log(2.0);
}

Point GemmPoint(double m, double n, double k) { return {std::log2(m), std::log2(n), std::log2(k), 0}; }

Point AttentionPoint(double sequences, double length, double heads, double kv_heads, double head_dim) {
  return {std::log2(sequences * heads), std::log2(length), std::log2(heads / kv_heads), std::log2(head_dim)};
}

constexpr Point kGemmWork = {1, 1, 1, 0};
constexpr Point kAttentionWork = {1, 2, 0, 1};  // grouped queries share keys and values, not FLOPs
constexpr Point kMemoryWork = {1, 0, 0, 0};

bool SixteenBit(const CostRow& row) { return row.dtype == "bf16" || row.dtype == "fp16"; }

std::optional<Kernel> KernelOf(const CostRow& row) {
  if (row.op == "gemm") return Kernel::kGemm;
  if (row.op == "attention_causal") return Kernel::kCausalAttention;
  if (row.op == "attention_full") return Kernel::kFullAttention;
  return IsMemoryBound(row.op) ? std::optional(Kernel::kMemoryBound) : std::nullopt;
}

Point PointOf(const CostRow& row, Kernel kernel) {
  switch (kernel) {
    case Kernel::kGemm:
      return GemmPoint(row.dimension("m"), row.dimension("n"), row.dimension("k"));
    case Kernel::kMemoryBound:
      return {std::log2(BytesInCostModel(row).value()), 0, 0, 0};
    default:
      return AttentionPoint(row.dimension("batch"), row.dimension("seq"), row.dimension("heads"),
                            row.dimension("kv_heads"), row.dimension("head_dim"));
  }
}

const Point& WorkOf(Kernel kernel) {
  if (kernel == Kernel::kGemm) return kGemmWork;
  return kernel == Kernel::kMemoryBound ? kMemoryWork : kAttentionWork;
}

/// 16-bit rows where there are any, else rows of any type: a processor's trace may be fp32 throughout, but a mixture
/// would be neither.
std::optional<MeasuredTimes> ReadTable(const CostTrace& trace, Kernel kernel, Pass pass) {
  std::vector<Row> narrow;
  std::vector<Row> any;
  for (const CostRow& row : trace.rows) {
    if (KernelOf(row) != kernel) continue;
    if (kernel != Kernel::kMemoryBound && PassOf(row) != pass) continue;
    any.push_back({PointOf(row, kernel), row.median});
    if (SixteenBit(row)) narrow.push_back(any.back());
  }
  const std::vector<Row>& rows = narrow.empty() ? any : narrow;
  if (rows.empty()) return std::nullopt;
  return std::optional<MeasuredTimes>(std::in_place, WorkOf(kernel), rows);
}

Json BandOf(const ErrorSummary& summary) {
  Json band;
  band["rows"] = summary.rows;
  band["median"] = summary.median;
  band["p90"] = summary.p90;
  band["bias"] = summary.bias;
  return band;
}

}  // namespace

MeasuredTimes::MeasuredTimes(const Point& exponents, const std::vector<Row>& rows)
    : exponents_(exponents), shapes_(Merged(exponents, rows)), index_([this] {
        std::vector<Point> points;
        for (const Shape& shape : shapes_) points.push_back(shape.at);
        return points;
      }()) {}

std::vector<MeasuredTimes::Shape> MeasuredTimes::Merged(const Point& exponents, const std::vector<Row>& rows) {
  std::map<Point, std::pair<double, int>> sums;
  for (const Row& row : rows) {
    auto& [sum, count] = sums[row.at];
    sum += LogWork(exponents, row.at) - std::log(row.time.value());
    ++count;
  }
  std::vector<Shape> shapes;
  shapes.reserve(sums.size());
  for (const auto& [at, entry] : sums) shapes.push_back({at, entry.first / entry.second});
  return shapes;
}

double MeasuredTimes::LogRate(const Point& point, std::size_t without) const {
  constexpr double kSameShape = 1e-12;
  double sum = 0;
  double weights = 0;
  for (const NearestPoints::Neighbour& neighbour : index_.Find(point, kNeighbours + (without == kNone ? 0 : 1))) {
    if (neighbour.index == without) continue;
    const double log_rate = shapes_[neighbour.index].log_rate;
    if (neighbour.squared_distance < kSameShape) return log_rate;
    sum += log_rate / neighbour.squared_distance;
    weights += 1 / neighbour.squared_distance;
  }
  return sum / weights;
}

std::vector<double> MeasuredTimes::LeaveOneOutErrors(Seconds shortest) const {
  if (shapes_.size() < 2) return {};
  // The box of the others ends at the second values of a dimension, which equal the first unless only one shape has it.
  Point low{};
  Point high{};
  for (std::size_t d = 0; d < low.size(); ++d) {
    std::vector<double> values;
    for (const Shape& shape : shapes_) values.push_back(shape.at[d]);
    std::sort(values.begin(), values.end());
    low[d] = values[1];
    high[d] = values[values.size() - 2];
  }
  std::vector<double> errors;
  for (std::size_t i = 0; i < shapes_.size(); ++i) {
    const auto& [at, log_rate] = shapes_[i];
    bool inside = std::exp(LogWork(exponents_, at) - log_rate) >= shortest.value();
    for (std::size_t d = 0; d < at.size(); ++d) inside = inside && low[d] <= at[d] && at[d] <= high[d];
    if (inside) errors.push_back(std::exp(log_rate - LogRate(at, i)) - 1);
  }
  return errors;
}

KernelCost MeasuredTimes::At(const Point& point) const {
  Point raised = point;
  for (std::size_t d = 0; d < raised.size(); ++d) raised[d] = std::max(raised[d], index_.low()[d]);
  return {Seconds(std::exp(LogWork(exponents_, raised) - LogRate(raised))), !index_.InBox(point)};
}

MeasuredKernelCosts::MeasuredKernelCosts(const CostTrace& trace, std::string path,
                                         std::shared_ptr<const KernelCosts> fallback, std::string remark)
    : path_(std::move(path)), device_(trace.device), remark_(std::move(remark)), fallback_(std::move(fallback)) {
  for (const Kernel kernel : {Kernel::kGemm, Kernel::kCausalAttention, Kernel::kFullAttention, Kernel::kMemoryBound}) {
    for (const Pass pass : {Pass::kForward, Pass::kInputGradient, Pass::kWeightGradient}) {
      tables_[static_cast<std::size_t>(kernel)][static_cast<std::size_t>(pass)] = ReadTable(trace, kernel, pass);
    }
  }
  error_band_ = FindErrorBand();
}

Json MeasuredKernelCosts::FindErrorBand() const {
  constexpr std::size_t kFewest = 10;  // for a 90th percentile
  constexpr std::array<const char*, 4> kNames = {"gemm", "attention_causal", "attention_full", "memory_bound"};
  const Json of_fallback = fallback_->error_band();
  Json bands = Json::EmptyObject();
  for (std::size_t kernel = 0; kernel < kNames.size(); ++kernel) {
    std::vector<RowError> errors;
    bool measured = false;
    for (const Table& table : tables_[kernel]) {
      if (!table) continue;
      measured = true;
      for (const double error : table->LeaveOneOutErrors(kJudgedFrom)) errors.push_back({.relative = error});
      if (kernel == static_cast<std::size_t>(Kernel::kMemoryBound)) break;  // its passes share one table
    }
    const Json* band = of_fallback.find(kNames[kernel]);
    if (!measured && band != nullptr) bands[kNames[kernel]] = *band;
    if (errors.size() >= kFewest) bands[kNames[kernel]] = BandOf(Summarise(errors));
  }
  return bands;
}

// A gradient that was not measured takes the measured forward kernel of the gradient's own shape, times the built-in
// model's ratio of the two.
KernelCost MeasuredKernelCosts::Gemm(double m, double n, double k, Pass pass) const {
  if (m <= 0 || n <= 0 || k <= 0) return {};
  if (const Table& own = TableFor(Kernel::kGemm, pass)) return own->At(GemmPoint(m, n, k));
  const KernelCost builtin = fallback_->Gemm(m, n, k, pass);
  const Table& forward = TableFor(Kernel::kGemm, Pass::kForward);
  if (!forward) return {builtin.time, true};
  const std::array<double, 3> shape = pass == Pass::kInputGradient ? std::array{m, k, n} : std::array{n, k, m};
  KernelCost cost = forward->At(GemmPoint(shape[0], shape[1], shape[2]));
  cost.time *= builtin.time / fallback_->Gemm(shape[0], shape[1], shape[2], Pass::kForward).time;
  return cost;
}

KernelCost MeasuredKernelCosts::Attention(const AttentionShape& shape, Pass pass) const {
  if (shape.sequences <= 0 || shape.length <= 0 || shape.heads <= 0) return {};
  const Kernel kernel = shape.causal ? Kernel::kCausalAttention : Kernel::kFullAttention;
  const Point point = AttentionPoint(shape.sequences, shape.length, shape.heads, shape.kv_heads, shape.head_dim);
  if (const Table& own = TableFor(kernel, pass)) return own->At(point);
  const KernelCost builtin = fallback_->Attention(shape, pass);
  const Table& forward = TableFor(kernel, Pass::kForward);
  if (!forward) return {builtin.time, true};
  KernelCost cost = forward->At(point);
  cost.time *= builtin.time / fallback_->Attention(shape, Pass::kForward).time;
  return cost;
}

KernelCost MeasuredKernelCosts::MemoryBound(Bytes bytes) const {
  if (bytes <= Bytes(0)) return {};
  if (const Table& own = TableFor(Kernel::kMemoryBound, Pass::kForward))
    return own->At({std::log2(bytes.value()), 0, 0, 0});
  return {fallback_->MemoryBound(bytes).time, true};
}

std::string MeasuredKernelCosts::description() const {
  return "measured on " + device_ + remark_ + " (" + path_ + "), gaps filled by " + fallback_->description();
}

std::shared_ptr<const KernelCosts> TraceKernelCosts(const std::string& path, const GpuSpec& gpu) {
  return TraceKernelCosts(ReadCostTrace(path), path, gpu);
}

std::shared_ptr<const KernelCosts> TraceKernelCosts(const CostTrace& trace, const std::string& path,
                                                    const GpuSpec& gpu) {
  const bool same = MayBeDevice(trace.device, gpu.name, gpu.memory.value());
  const std::string remark = same ? "" : ", another device than the cluster's " + gpu.name;
  return std::make_shared<MeasuredKernelCosts>(trace, path, BuiltInKernelCosts(gpu), remark);
}

}  // namespace dflop
