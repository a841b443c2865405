// A function of three sizes, tabulated at powers of two and interpolated linearly in log2 space.
//
// Kernel efficiencies vary smoothly in the logarithm of each dimension, so a grid with one value per doubling holds a
// GPU's whole matrix-product behaviour in 1,200 numbers. The weights of a point are public: the calibration solves for
// the values with exactly the interpolation that the simulator uses.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace dflop {

class LogGrid {
 public:
  /// Nodes at 2^first, 2^(first+1), …, 2^(first+nodes−1).
  struct Axis {
    int first = 0;
    int nodes = 1;
    int last() const { return first + nodes - 1; }
    bool operator==(const Axis&) const = default;
  };
  using Axes = std::array<Axis, 3>;
  using Point = std::array<double, 3>;  ///< log2 of the three sizes

  /// The eight nodes around a point and how much each counts; the weights add up to 1.
  struct Stencil {
    std::array<std::size_t, 8> node;
    std::array<double, 8> weight;
  };

  LogGrid() = default;
  /// `values` has one entry per node, the last axis fastest.
  LogGrid(const Axes& axes, std::vector<double> values);

  const Axes& axes() const { return axes_; }
  const std::vector<double>& values() const { return values_; }
  static std::size_t Nodes(const Axes& axes);
  /// Coordinates are clamped to the box first.
  static Stencil StencilAt(const Axes& axes, const Point& point);
  static bool Contains(const Axes& axes, const Point& point);

  double At(const Point& point) const;
  bool Contains(const Point& point) const { return Contains(axes_, point); }

 private:
  Axes axes_{};
  std::vector<double> values_;
};

}  // namespace dflop
