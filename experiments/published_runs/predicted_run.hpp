// Imported runs with what the program predicted for them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "experiments/published_runs/measured_run.hpp"

namespace dflop {

struct PredictedRun {
  MeasuredRun run;
  std::optional<double> predicted_s;  ///< none where the results lack it or the program could not run it
  double peak_memory_bytes = 0;       ///< of the fullest device
  bool fits = true;
  std::string infeasible;  ///< why there is no time

  /// predicted / measured − 1; needs a prediction.
  double error() const { return *predicted_s / run.step_time_s - 1; }
  /// Peak over what a device has; 0 where either is unknown.
  double memory_share() const { return run.gpu_memory_bytes > 0 ? peak_memory_bytes / run.gpu_memory_bytes : 0; }
};

/// The runs of measured.csv in `imported` with the results of `dflop run` in `results`/FILE: table.csv, or result.json
/// where there is no table. Each scenario has one policy; of several the first counts. InputError when nothing at all
/// is there.
std::vector<PredictedRun> ReadPredictedRuns(const std::string& imported, const std::string& results);

}  // namespace dflop
