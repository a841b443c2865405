// From an experiment to a folder of results, over worker processes and, under a launcher, over ranks.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "experiments/run/launcher.hpp"
#include "experiments/spec/experiment.hpp"
#include "sim/measure/drawn_devices.hpp"

namespace dflop {

struct RunOptions {
  std::string out;      ///< folder of the results
  int jobs = 1;         ///< worker processes of this rank
  bool quiet = false;   ///< no progress bar, no warnings
  std::string command;  ///< as typed, for the provenance
  TraceDetail trace = TraceDetail::kSample;
  bool report = true;
  Rank rank;
  std::chrono::seconds wait_for_rank_zero{60};  ///< of another rank, before it warns that there is none
};

/// Simulates all units and writes result.json, table.csv, traces/ and timelines/ to `out`, then, the result being
/// there, report.html and figures/. Units that a
/// killed run left in out/partial/ with equal inputs are taken over. The result's document; none on ranks other than 0,
/// which only hand in their units.
///
/// Ranks meet in out/partial/ alone, so `out` must be a folder that all of them see. Rank 0 waits for the units of the
/// others; when nothing new arrives for a while (a rank died, or never started) it runs what is missing itself.
///
/// After an InputError nothing of the run is left on disk.
std::optional<Json> RunExperiment(const Experiment& experiment, const RunOptions& options);

}  // namespace dflop
