// One block of memory for many uses: asking the system anew for every tensor would take longer than the kernels.
#pragma once

#include <cstddef>
#include <vector>

namespace dflop {

inline constexpr std::size_t kLineValues = 16;  ///< a tensor begins with a cache line

/// Values rounded up to whole cache lines.
constexpr std::size_t WholeLines(std::size_t values) { return (values + kLineValues - 1) / kLineValues * kLineValues; }

class Arena {
 public:
  /// At least `values` floats; what was there before is lost where there were fewer. Throws Unsupported when the system
  /// gives less.
  float* Reserve(std::size_t values);

 private:
  std::vector<float> block_;
};

}  // namespace dflop
