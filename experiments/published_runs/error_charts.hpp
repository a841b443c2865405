// The pictures of a comparison with published runs; runs without a prediction are in none of them.
#pragma once

#include <vector>

#include "experiments/published_runs/predicted_run.hpp"
#include "experiments/report/svg.hpp"

namespace dflop {

/// Seconds per step, predicted over measured, both axes logarithmic; the diagonal is a perfect prediction.
Svg PredictedChart(const std::vector<PredictedRun>& runs);

/// A row per source and class: every run's error, the median as a line.
Svg ErrorsBySourceChart(const std::vector<PredictedRun>& runs);

/// Errors over the number of GPUs.
Svg ErrorsByGpusChart(const std::vector<PredictedRun>& runs);

/// Errors over the tensor-, pipeline- and data-parallel degree, a panel each.
Svg ErrorsByDegreesChart(const std::vector<PredictedRun>& runs);

}  // namespace dflop
