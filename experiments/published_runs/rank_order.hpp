// Whether predictions put runs in the order in which they were measured: what a planner needs of them.
#pragma once

#include <cstddef>
#include <vector>

namespace dflop {

struct TimedRun {
  double measured_s = 0;
  double predicted_s = 0;
};

/// Pairs of runs, by how their predicted order agrees with the measured one.
struct PairCount {
  std::size_t pairs = 0;  ///< those that count: right, wrong and tied
  std::size_t right = 0;
  std::size_t wrong = 0;
  std::size_t tied = 0;   ///< predicted as equal
  std::size_t close = 0;  ///< measured too near to each other to have an order; left out

  /// Kendall's τ, (right − wrong) / pairs: a predicted tie counts as 0. 0 without pairs.
  double tau() const;
  PairCount& operator+=(const PairCount& other);
};

/// Measured pairs whose longer time is at most so much longer than the other have no order.
inline constexpr double kCloseTimes = 0.02;

PairCount CountPairs(const std::vector<TimedRun>& runs, double close = kCloseTimes);

}  // namespace dflop
