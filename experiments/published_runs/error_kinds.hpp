// How far off predictions of each kind of run were: what a result of that kind then says of itself.
#pragma once

#include <vector>

#include "base/json.hpp"
#include "experiments/published_runs/predicted_run.hpp"

namespace dflop {

/// [{class, software, gpu, gpus: [fewest, most], rows, mean_error, median_error, p90_error}] by class, preset and GPU,
/// of the runs with a preset and a prediction: models/data/published_errors.json, from which
/// experiments/results/published_error.hpp takes its words. Errors to three decimals.
Json ErrorKindsJson(const std::vector<PredictedRun>& runs);

}  // namespace dflop
