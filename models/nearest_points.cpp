// Halved at medians, one axis after the other (Bentley 1975); ties go by index and not by the library's sorting.
#include "models/nearest_points.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.hpp"

namespace dflop {
namespace {

bool Closer(const NearestPoints::Neighbour& a, const NearestPoints::Neighbour& b) {
  return std::pair(a.squared_distance, a.index) < std::pair(b.squared_distance, b.index);
}

double SquaredDistance(const NearestPoints::Point& a, const NearestPoints::Point& b) {
  double sum = 0;
  for (std::size_t d = 0; d < a.size(); ++d) sum += (a[d] - b[d]) * (a[d] - b[d]);
  return sum;
}

}  // namespace

NearestPoints::NearestPoints(std::vector<Point> points) : points_(std::move(points)), order_(points_.size()) {
  DFLOP_CHECK(!points_.empty(), "an index needs points");
  low_ = high_ = points_.front();
  for (const Point& point : points_) {
    for (std::size_t d = 0; d < kDimensions; ++d) {
      low_[d] = std::min(low_[d], point[d]);
      high_[d] = std::max(high_[d], point[d]);
    }
  }
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  Build({0, order_.size(), 0});
}

void NearestPoints::Build(const Range& range) {
  if (range.end - range.begin < 2) return;
  const std::size_t axis = range.depth % kDimensions;
  const std::size_t middle = (range.begin + range.end) / 2;
  const auto at = [&](std::size_t i) { return order_.begin() + static_cast<std::ptrdiff_t>(i); };
  std::nth_element(at(range.begin), at(middle), at(range.end), [&](std::size_t a, std::size_t b) {
    return std::pair(points_[a][axis], a) < std::pair(points_[b][axis], b);
  });
  Build({range.begin, middle, range.depth + 1});
  Build({middle + 1, range.end, range.depth + 1});
}

void NearestPoints::Search(const Range& range, const Point& point, std::size_t count,
                           std::vector<Neighbour>& found) const {
  if (range.begin >= range.end) return;
  const std::size_t middle = (range.begin + range.end) / 2;
  const std::size_t index = order_[middle];
  const Neighbour candidate{index, SquaredDistance(points_[index], point)};
  if (found.size() < count || Closer(candidate, found.back())) {
    found.insert(std::upper_bound(found.begin(), found.end(), candidate, Closer), candidate);
    if (found.size() > count) found.pop_back();
  }
  const std::size_t axis = range.depth % kDimensions;
  const double offset = point[axis] - points_[index][axis];
  const Range below{range.begin, middle, range.depth + 1};
  const Range above{middle + 1, range.end, range.depth + 1};
  Search(offset < 0 ? below : above, point, count, found);
  if (found.size() < count || offset * offset <= found.back().squared_distance) {
    Search(offset < 0 ? above : below, point, count, found);
  }
}

std::vector<NearestPoints::Neighbour> NearestPoints::Find(const Point& point, std::size_t count) const {
  std::vector<Neighbour> found;
  found.reserve(count + 1);
  Search({0, order_.size(), 0}, point, count, found);
  return found;
}

bool NearestPoints::InBox(const Point& point) const {
  constexpr double kRounding = 1e-9;
  for (std::size_t d = 0; d < kDimensions; ++d) {
    if (point[d] < low_[d] - kRounding || point[d] > high_[d] + kRounding) return false;
  }
  return true;
}

}  // namespace dflop
