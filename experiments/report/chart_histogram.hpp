// How a quantity of the samples is distributed (arXiv 2603.25120, Fig 4 and 11b).
#pragma once

#include "experiments/profile/data_profile.hpp"
#include "experiments/report/svg.hpp"

namespace dflop {

/// Bars with a dashed line at the mean: Fig 4 for seconds, Fig 11b for tiles.
Svg HistogramChart(const SampleQuantity& quantity);

}  // namespace dflop
