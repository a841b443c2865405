// Round numbers along a range: where axes have their ticks and histograms their edges.
#pragma once

#include <vector>

namespace dflop {

/// About `count` round numbers in [low, high]; high > low.
std::vector<double> RoundTicks(double low, double high, int count);

}  // namespace dflop
