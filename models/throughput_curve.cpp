// Rising sizes and positive rates are checked once, on making; a lookup then walks along the few points.
#include "models/throughput_curve.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"

namespace dflop {

ThroughputCurve::ThroughputCurve(std::vector<Point> points) : points_(std::move(points)) {
  DFLOP_CHECK(!points_.empty(), "a curve has a point");
  double last = 0;
  for (const Point& point : points_) {
    DFLOP_CHECK(point.size > last && point.rate > FlopsPerSecond(0), "sizes rise from above 0, rates are positive");
    last = point.size;
    highest_ = std::max(highest_, point.rate);
  }
}

FlopsPerSecond ThroughputCurve::At(double size) const {
  if (size >= points_.back().size) return points_.back().rate;
  if (size <= points_.front().size) return points_.front().rate * (size / points_.front().size);
  const auto high = std::find_if(points_.begin(), points_.end(), [size](const Point& p) { return p.size > size; });
  const Point& low = *(high - 1);
  return low.rate + (high->rate - low.rate) * ((size - low.size) / (high->size - low.size));
}

}  // namespace dflop
