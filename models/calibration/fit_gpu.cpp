// Observations are efficiencies in logarithms. What a GPU lacks is derived from another one's surface, times the ratio
// of what both have measured.
#include "models/calibration/fit_gpu.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "base/csv.hpp"
#include "base/error.hpp"
#include "models/calibration/fit_grid.hpp"
#include "models/cost_errors.hpp"

namespace dflop {
namespace {

constexpr int kReferenceHeadDim = 128;  ///< the head size that every GPU's causal table has
constexpr double kLeastWeight = 0.02;

/// The smallest box of whole powers of two around the points.
LogGrid::Axes AxesAround(const std::vector<Observation>& observations) {
  LogGrid::Axes axes;
  for (std::size_t d = 0; d < 3; ++d) {
    const auto [low, high] = std::minmax_element(observations.begin(), observations.end(),
                                                 [d](const auto& a, const auto& b) { return a.at[d] < b.at[d]; });
    const int first = static_cast<int>(std::floor(low->at[d] + 1e-9));
    const int last = static_cast<int>(std::ceil(high->at[d] - 1e-9));
    axes[d] = {first, last - first + 1};
  }
  return axes;
}

LogGrid::Point GemmPoint(const CostRow& row) {
  return {std::log2(row.dimension("m")), std::log2(row.dimension("n")), std::log2(row.dimension("k"))};
}

LogGrid::Point AttentionPoint(const CostRow& row) {
  const double group = row.dimension("heads") / row.dimension("kv_heads");
  return {std::log2(row.dimension("batch") * row.dimension("heads")), std::log2(row.dimension("seq")),
          std::log2(std::min(group, kSaturatedGroupRatio))};
}

double GemmFlops(const CostRow& row) { return 2 * row.dimension("m") * row.dimension("n") * row.dimension("k"); }

double AttentionFlops(const CostRow& row) {
  const double factor = row.op == "attention_causal" ? 2 : 4;
  return factor * row.dimension("batch") * row.dimension("heads") * row.dimension("seq") * row.dimension("seq") *
         row.dimension("head_dim");
}

template <typename PointOf, typename FlopsOf>
EfficiencySurface FitSurface(const std::vector<const CostRow*>& rows, FlopsPerSecond peak, PointOf point_of,
                             FlopsOf flops_of) {
  std::vector<Observation> observations;
  Seconds floor(HUGE_VAL);
  for (const CostRow* row : rows) {
    const double efficiency = flops_of(*row) / row->median.value() / peak.value();
    const double weight = std::clamp(row->median / kJudgedFrom, kLeastWeight, 1.0);
    observations.push_back({point_of(*row), std::log(efficiency), weight});
    floor = std::min(floor, row->median);
  }
  const LogGrid::Axes axes = AxesAround(observations);
  return {LogGrid(axes, FitGrid(axes, observations)), floor};
}

std::vector<const CostRow*> RowsOf(const CostTrace& trace, const std::string& op, int head_dim = 0) {
  std::vector<const CostRow*> rows;
  for (const CostRow& row : trace.rows) {
    if (row.op == op && (head_dim == 0 || row.dimension("head_dim") == head_dim)) rows.push_back(&row);
  }
  return rows;
}

void SortAttention(GpuCostTable& table) {
  std::sort(table.attention.begin(), table.attention.end(), [](const AttentionSurface& a, const AttentionSurface& b) {
    return std::tuple(!a.causal, a.head_dim) < std::tuple(!b.causal, b.head_dim);
  });
}

/// `base` with every node multiplied by up/down, both read at the node's place.
EfficiencySurface Scaled(const EfficiencySurface& base, const EfficiencySurface& up, const EfficiencySurface& down) {
  const LogGrid::Axes& axes = base.log_efficiency.axes();
  std::vector<double> values = base.log_efficiency.values();
  std::size_t node = 0;
  for (int x = axes[0].first; x <= axes[0].last(); ++x) {
    for (int y = axes[1].first; y <= axes[1].last(); ++y) {
      for (int z = axes[2].first; z <= axes[2].last(); ++z) {
        const LogGrid::Point point = {double(x), double(y), double(z)};
        values[node++] += up.log_efficiency.At(point) - down.log_efficiency.At(point);
      }
    }
  }
  return {LogGrid(axes, std::move(values)), std::max(base.floor, up.floor)};
}

double MedianOf(const std::vector<double>& values, const std::string& file) {
  if (values.empty()) throw InputError(file, "", "lacks rows of one kernel direction");
  return Quantile(values, 0.5);
}

/// By direction: time of every GEMM over the forward prediction at the very shape that ran. Weight gradients are those
/// that accumulate into fp32, as training does.
std::map<std::string, std::vector<double>> GemmTimesOverForward(const CsvTable& table, const KernelCosts& forward) {
  std::map<std::string, std::vector<double>> ratios;
  const auto number = [&](std::size_t row, const char* column) { return table.Number(row, table.Column(column)); };
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const std::string& direction = table.rows[i][table.Column("direction")];
    const Seconds time(number(i, "latency_ms") * 1e-3);
    if (table.rows[i][table.Column("op")] != "gemm" || time < kJudgedFrom) continue;
    if (direction == "weight_gradient" && table.rows[i][table.Column("out_dtype")] != "fp32") continue;
    const KernelCost alike = forward.Gemm(number(i, "m_or_seq"), number(i, "n"), number(i, "k"), Pass::kForward);
    ratios[direction].push_back(time / alike.time);
  }
  return ratios;
}

/// Backward over forward of every attention shape that has both; of repetitions, the last counts.
std::vector<double> AttentionRatios(const CsvTable& table) {
  std::map<std::string, std::map<std::string, double>> times;  // shape → direction
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    if (table.rows[i][table.Column("op")] != "sdpa") continue;
    std::string shape;
    for (const char* column : {"m_or_seq", "heads", "kv_heads", "qk_head_dim", "v_head_dim"}) {
      shape += table.rows[i][table.Column(column)] + " ";
    }
    times[shape][table.rows[i][table.Column("direction")]] = table.Number(i, table.Column("latency_ms"));
  }
  std::vector<double> ratios;
  for (auto& [shape, of] : times) {
    if (of.size() == 2) ratios.push_back(of["backward"] / of["forward"]);
  }
  return ratios;
}

}  // namespace

GpuCostTable FitGpu(const ReferenceGpu& gpu, const CostTrace& training) {
  GpuCostTable table;
  table.gpu = gpu.name;
  table.peak = gpu.spec.peak;
  table.gemm = FitSurface(RowsOf(training, "gemm"), table.peak, GemmPoint, GemmFlops);
  for (const char* op : {"attention_causal", "attention_full"}) {
    std::set<int> head_dims;
    for (const CostRow* row : RowsOf(training, op)) head_dims.insert(static_cast<int>(row->dimension("head_dim")));
    for (const int head_dim : head_dims) {
      table.attention.push_back(
          {op == std::string("attention_causal"), head_dim, true, "measured",
           FitSurface(RowsOf(training, op, head_dim), table.peak, AttentionPoint, AttentionFlops)});
    }
  }
  return table;
}

void AddDerivedSurfaces(GpuCostTable& table, const GpuCostTable& donor) {
  const AttentionSurface* own = table.FindAttention(true, kReferenceHeadDim);
  const AttentionSurface* theirs = donor.FindAttention(true, kReferenceHeadDim);
  DFLOP_CHECK(own != nullptr && theirs != nullptr, "both GPUs have causal attention at the reference head size");
  const EfficiencySurface up = own->surface;
  for (const AttentionSurface& surface : donor.attention) {
    if (table.FindAttention(surface.causal, surface.head_dim) != nullptr) continue;
    table.attention.push_back({surface.causal, surface.head_dim, false,
                               donor.gpu + " scaled by the causal ratio of the two GPUs",
                               Scaled(surface.surface, up, theirs->surface)});
  }
  constexpr int kNarrow = 64;
  if (table.FindAttention(false, kReferenceHeadDim) == nullptr) {
    const EfficiencySurface wide =
        Scaled(table.FindAttention(false, kNarrow)->surface, up, table.FindAttention(true, kNarrow)->surface);
    table.attention.push_back(
        {false, kReferenceHeadDim, false, "head size 64 scaled by the causal ratio of 128 to 64", wide});
  }
  SortAttention(table);
}

BackwardFactors MeasureBackward(const std::string& csv_path, const KernelCosts& forward) {
  const CsvTable table = ReadCsv(csv_path);
  std::map<std::string, std::vector<double>> gemm = GemmTimesOverForward(table, forward);
  const double base = MedianOf(gemm["forward"], csv_path);
  return {MedianOf(gemm["input_gradient"], csv_path) / base, MedianOf(gemm["weight_gradient"], csv_path) / base,
          MedianOf(AttentionRatios(table), csv_path), ""};
}

}  // namespace dflop
