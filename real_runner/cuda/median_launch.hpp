// The time of a kernel as the programs for people print it.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "real_runner/kernels/backend.hpp"

namespace dflop {

struct MedianLaunch {
  double seconds = 0;
  std::string implementation;
};

/// Unsupported where the backend refuses the row.
inline MedianLaunch TimeMedian(Backend& backend, const CostRow& row) {
  constexpr int kWarmUp = 2;
  constexpr int kLaunches = 20;
  const std::unique_ptr<PreparedKernel> kernel = backend.Prepare(row);
  backend.Time(*kernel, kWarmUp);
  std::vector<TimedLaunch> times = backend.Time(*kernel, kLaunches);
  std::sort(times.begin(), times.end(), [](const auto& a, const auto& b) { return a.seconds < b.seconds; });
  return {times[times.size() / 2].seconds, kernel->implementation()};
}

}  // namespace dflop
