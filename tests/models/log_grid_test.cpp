// Interpolation in log2 space, the fit of its values, and the index of nearest points.
#include "models/log_grid.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.hpp"
#include "models/calibration/fit_grid.hpp"
#include "models/nearest_points.hpp"

namespace dflop {
namespace {

constexpr LogGrid::Axes kAxes = {{{4, 5}, {7, 4}, {0, 3}}};  // 16…256, 128…1024, 1…4

/// Trilinear interpolation reproduces a function that is linear in every coordinate.
double Linear(const LogGrid::Point& p) { return 0.5 - 0.3 * p[0] + 0.2 * p[1] + 0.1 * p[2] + 0.05 * p[0] * p[1]; }

LogGrid::Point RandomPoint(RandomStream& random) {
  LogGrid::Point point;
  for (std::size_t d = 0; d < 3; ++d) point[d] = kAxes[d].first + random.Uniform() * (kAxes[d].nodes - 1);
  return point;
}

LogGrid Tabulated() {
  std::vector<double> values;
  for (int x = 4; x <= 8; ++x) {
    for (int y = 7; y <= 10; ++y) {
      for (int z = 0; z <= 2; ++z) values.push_back(Linear({double(x), double(y), double(z)}));
    }
  }
  return {kAxes, values};
}

TEST(LogGrid, ReproducesAMultilinearFunctionBetweenItsNodes) {
  const LogGrid grid = Tabulated();
  RandomStream random(1, "grid");
  for (int i = 0; i < 1000; ++i) {
    const LogGrid::Point point = RandomPoint(random);
    EXPECT_NEAR(grid.At(point), Linear(point), 1e-12);
    EXPECT_TRUE(grid.Contains(point));
  }
}

TEST(LogGrid, OutsideTheBoxTheEdgeHolds) {
  const LogGrid grid = Tabulated();
  EXPECT_DOUBLE_EQ(grid.At({2, 8.5, 1}), grid.At({4, 8.5, 1}));
  EXPECT_DOUBLE_EQ(grid.At({20, 30, 9}), grid.At({8, 10, 2}));
  EXPECT_FALSE(grid.Contains({8.01, 8, 1}));
  EXPECT_FALSE(grid.Contains({5, 6.9, 1}));
}

TEST(LogGrid, AnAxisOfOneNodeIsConstant) {
  const LogGrid grid({{{0, 2}, {3, 1}, {5, 1}}}, {1.0, 3.0});
  EXPECT_DOUBLE_EQ(grid.At({0.25, 100, -100}), 1.5);
}

TEST(FitGrid, FindsTheNodesBehindScatteredObservations) {
  RandomStream random(2, "fit");
  std::vector<Observation> observations;
  for (int i = 0; i < 3000; ++i) {
    const LogGrid::Point point = RandomPoint(random);
    observations.push_back({point, Linear(point), 1});
  }
  const std::vector<double> values = FitGrid(kAxes, observations, {.smoothness = 1e-6});
  const std::vector<double> expected = Tabulated().values();
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], expected[i], 1e-3);
}

TEST(FitGrid, AFewWildMeasurementsHardlyMoveTheSurface) {
  // One in twenty observations is 1.0 too high. Plain least squares would lie 0.05 too high on average; the robust fit
  // counts a wild residual as 0.03 of weight, so the shift is of the order of 0.05 · 0.03 / 0.95 ≈ 0.002.
  RandomStream random(3, "wild");
  std::vector<Observation> observations;
  for (int i = 0; i < 4000; ++i) {
    const LogGrid::Point point = RandomPoint(random);
    observations.push_back({point, Linear(point) + (i % 20 == 0 ? 1.0 : 0.0), 1});
  }
  const LogGrid fitted(kAxes, FitGrid(kAxes, observations));
  double shift = 0;
  for (int i = 0; i < 1000; ++i) {
    const LogGrid::Point point = RandomPoint(random);
    shift += (fitted.At(point) - Linear(point)) / 1000;
  }
  EXPECT_LT(std::abs(shift), 0.01);
}

TEST(FitGrid, WhereNothingWasMeasuredTheSurfaceStaysAmongTheMeasuredValues) {
  // Observations at x ≤ 5 only, rising with x: the corner at x = 8 must neither stay undefined nor run away.
  RandomStream random(4, "gap");
  std::vector<Observation> observations;
  for (int i = 0; i < 500; ++i) {
    LogGrid::Point point = RandomPoint(random);
    point[0] = 4 + random.Uniform();
    observations.push_back({point, point[0], 1});
  }
  for (const double value : FitGrid(kAxes, observations)) {
    EXPECT_GT(value, 3.9);
    EXPECT_LT(value, 6.0);
  }
}

TEST(NearestPoints, AgreesWithLookingAtEveryPoint) {
  RandomStream random(5, "nearest");
  for (const std::size_t count : {1u, 7u, 200u, 1000u}) {
    std::vector<NearestPoints::Point> points(count);
    for (auto& point : points) {
      for (double& coordinate : point) coordinate = static_cast<double>(random.Below(20));  // many ties
    }
    const NearestPoints index(points);
    for (int query = 0; query < 100; ++query) {
      NearestPoints::Point at;
      for (double& coordinate : at) coordinate = 25 * random.Uniform() - 2;
      std::vector<std::pair<double, std::size_t>> expected;
      for (std::size_t i = 0; i < count; ++i) {
        double distance = 0;
        for (std::size_t d = 0; d < at.size(); ++d) distance += (points[i][d] - at[d]) * (points[i][d] - at[d]);
        expected.emplace_back(distance, i);
      }
      std::sort(expected.begin(), expected.end());
      const auto found = index.Find(at, 8);
      ASSERT_EQ(found.size(), std::min<std::size_t>(count, 8));
      for (std::size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].index, expected[i].second);
    }
  }
}

}  // namespace
}  // namespace dflop
