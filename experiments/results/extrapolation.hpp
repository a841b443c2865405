// How much of a figure rests on kernel costs beyond what was measured, and from where on a reader must not overlook it.
#pragma once

namespace dflop {

/// Share of the busy time above which every table marks a row and a run warns.
inline constexpr double kMuchExtrapolated = 0.1;
inline bool IsMuchExtrapolated(double fraction) { return fraction > kMuchExtrapolated; }

/// Behind the name of such a policy in every table, and what it means.
inline constexpr const char* kExtrapolatedMark = " ‡";
inline constexpr const char* kExtrapolatedNote =
    "‡ more than 10 % of the busy time is priced beyond the measured shapes: judge the figure with care";

}  // namespace dflop
