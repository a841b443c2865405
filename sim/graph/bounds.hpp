// What files of plans and timelines may say at most.
#pragma once

namespace dflop {

/// Seconds, whoever reads them. 30 years.
inline constexpr double kLongestTimeline = 1e9;
/// What a step lasts at least that is drawn to scale.
inline constexpr double kShortestTimeline = 1e-12;

}  // namespace dflop
