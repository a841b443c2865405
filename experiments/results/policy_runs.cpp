#include "experiments/results/policy_runs.hpp"

#include "experiments/results/hub_note.hpp"
#include "experiments/results/training_changes.hpp"

namespace dflop {

void PolicyRuns::Add(const JsonReader& run) {
  if (const auto reason = run.Find("infeasible")) {
    infeasible = reason->String();
    return;
  }
  const RunFigures& added = by_seed.emplace_back(ReadRunFigures(run.At("metrics")));
  AddRun(run, added, seeds);
  through_hub = through_hub || GoesThroughHub(run);
  under_draws.push_back(TimesUnderDraws(run, added.iteration_time_s));
  AddTrainingChanges(run, changes_training);
  AddInstead(run, instead);
}

void PolicyRuns::Finish() {
  if (!by_seed.empty()) figures = OverSeeds(by_seed);
}

}  // namespace dflop
