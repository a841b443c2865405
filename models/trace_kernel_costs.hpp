// Kernel costs from a measured trace: the private face of TraceKernelCosts.
#pragma once

#include <array>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "models/kernel_costs.hpp"
#include "models/nearest_points.hpp"
#include "traces/cost_trace.hpp"

namespace dflop {

/// The measured shapes of one kernel. Between them, the rate (work per second) is interpolated from the eight nearest
/// shapes by inverse squared distance in log2 space; a measured shape gives back its measured time. Below the smallest
/// sizes a kernel costs what it costs there; beyond the largest the rate of the nearest shapes holds.
class MeasuredTimes {
 public:
  using Point = NearestPoints::Point;
  struct Row {
    Point at{};  ///< log2 of the sizes
    Seconds time{0};
  };
  /// Work = Π size^exponent up to a constant, which cancels. Rows of one shape become their geometric mean.
  MeasuredTimes(const Point& exponents, const std::vector<Row>& rows);

  KernelCost At(const Point& point) const;
  /// Predicted / measured − 1 of every shape that lasts at least `shortest` when the others alone predict it, where it
  /// lies in their box.
  std::vector<double> LeaveOneOutErrors(Seconds shortest) const;

 private:
  struct Shape {
    Point at{};
    double log_rate = 0;
  };
  static std::vector<Shape> Merged(const Point& exponents, const std::vector<Row>& rows);
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  /// As the shapes but `without` have it.
  double LogRate(const Point& point, std::size_t without = kNone) const;

  Point exponents_;
  std::vector<Shape> shapes_;
  NearestPoints index_;
};

/// The kernels of the cost model that a trace can hold; its other rows (whole layers, launches, collectives, packs of
/// unequal sequences, which have no place in a grid of equal ones and serve to check it) are read by none. Memory-bound
/// ones are taken together, forward and backward, as KernelCosts asks by bytes alone: kernels of equal bytes give their
/// geometric mean. KernelCosts counts two bytes per value, so a trace of another dtype is read by the values that its
/// kernels move.
enum class Kernel : std::size_t { kGemm, kCausalAttention, kFullAttention, kMemoryBound };

class MeasuredKernelCosts final : public KernelCosts {
 public:
  /// `remark` follows the device's name in the description.
  MeasuredKernelCosts(const CostTrace& trace, std::string path, std::shared_ptr<const KernelCosts> fallback,
                      std::string remark = "");

  KernelCost Gemm(double m, double n, double k, Pass pass) const override;
  KernelCost Attention(const AttentionShape& shape, Pass pass) const override;
  KernelCost MemoryBound(Bytes bytes) const override;
  const GpuSpec& gpu() const override { return fallback_->gpu(); }
  std::string description() const override;
  /// Of kernels that the trace holds, what leaving out one shape at a time shows: an upper bound, as a measured shape
  /// gives back its measured time. None where too few shapes are long enough to judge. Of the others the band of the
  /// built-in model that fills the gaps.
  Json error_band() const override { return error_band_; }

 private:
  using Table = std::optional<MeasuredTimes>;
  const Table& TableFor(Kernel kernel, Pass pass) const {
    return tables_[static_cast<std::size_t>(kernel)][static_cast<std::size_t>(pass)];
  }

  Json FindErrorBand() const;

  std::string path_;
  std::string device_;
  std::string remark_;
  std::shared_ptr<const KernelCosts> fallback_;
  std::array<std::array<Table, 3>, 4> tables_;
  Json error_band_;
};

}  // namespace dflop
