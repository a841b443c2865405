// The nearest of many points in a few dimensions: a k-d tree.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace dflop {

class NearestPoints {
 public:
  static constexpr std::size_t kDimensions = 4;
  using Point = std::array<double, kDimensions>;  ///< unused dimensions stay 0
  struct Neighbour {
    std::size_t index = 0;  ///< in the vector given to the constructor
    double squared_distance = 0;
  };

  explicit NearestPoints(std::vector<Point> points);

  /// The up to `count` nearest points, nearest first; ties go to the lower index.
  std::vector<Neighbour> Find(const Point& point, std::size_t count) const;
  /// Whether the point lies in the smallest box around all points.
  bool InBox(const Point& point) const;
  /// The box's lower corner.
  const Point& low() const { return low_; }

 private:
  struct Range {
    std::size_t begin, end, depth;
  };
  void Build(const Range& range);
  void Search(const Range& range, const Point& point, std::size_t count, std::vector<Neighbour>& found) const;

  std::vector<Point> points_;
  std::vector<std::size_t> order_;  ///< the median of every range stands in its middle
  Point low_{};
  Point high_{};
};

}  // namespace dflop
