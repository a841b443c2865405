// The ranges of what a machine is described by, the same in every file that describes one.
#pragma once

namespace dflop {

inline constexpr int kMaxNodes = 131072;
inline constexpr double kMaxRate = 1e15;     ///< bytes per second
inline constexpr double kMaxLatency = 10.0;  ///< seconds

}  // namespace dflop
