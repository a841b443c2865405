// A module's measured throughput against the size of its input: the profiled grid of arXiv 2603.25120, section 3.2.1.
#pragma once

#include <vector>

#include "base/units.hpp"

namespace dflop {

/// Linear between the points. Below the first one it is the line to the origin (an input smaller than any that was
/// measured takes as long as the smallest), beyond the last the rate stays what it is there (a full GPU gets no
/// faster).
class ThroughputCurve {
 public:
  struct Point {
    double size = 0;  ///< tiles or tokens
    FlopsPerSecond rate{0};
    bool operator==(const Point&) const = default;
  };

  ThroughputCurve() = default;
  /// At least one point, sizes positive and rising, rates positive.
  explicit ThroughputCurve(std::vector<Point> points);

  const std::vector<Point>& points() const { return points_; }
  FlopsPerSecond At(double size) const;
  /// No size has a higher rate.
  FlopsPerSecond highest() const { return highest_; }

 private:
  std::vector<Point> points_;
  FlopsPerSecond highest_{0};
};

}  // namespace dflop
