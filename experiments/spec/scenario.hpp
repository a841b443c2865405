// A scenario of an experiment: what is trained, on what, with which data. The same for every policy.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "base/random.hpp"
#include "experiments/spec/data_loading.hpp"
#include "experiments/spec/policy_spec.hpp"
#include "experiments/spec/training.hpp"
#include "models/cost_model.hpp"
#include "sim/step/ground_truth.hpp"
#include "traces/samples.hpp"

namespace dflop {

struct Scenario {
  std::string name;
  std::string file;     ///< the experiment's
  std::string pointer;  ///< of the scenario in it
  Json json;            ///< as written, with file names resolved and sweep values in place
  ModelSpec model;
  ClusterSpec cluster;
  SoftwareStack software;
  std::vector<std::shared_ptr<const KernelCosts>> kernels;  ///< [kind of nodes]
  std::shared_ptr<const SampleSource> samples;
  /// Share of the busy time that may be priced outside what was measured, before results are refused: half of it by a
  /// file, all of it by the built-in models, where the experiment does not say otherwise.
  double max_extrapolated_fraction = 1;
  int planning_samples = 256;
  int global_batch_size = 1;
  std::vector<Anomaly> anomalies;           ///< what planners and batch schedulers do not know
  std::vector<PolicySpec> policies;         ///< its own, or else the experiment's
  std::optional<DataLoading> data_loading;  ///< none: samples are there when a step wants them
  std::optional<TrainingSpec> training;     ///< none: the steps are not part of a longer run

  /// The stream of a purpose ("batch/3", "planning"). Keyed by seed, purpose and what samples are drawn from: no label
  /// moves a figure, and scenarios that differ in cluster, model or batch size see the same samples.
  RandomStream Stream(std::int64_t seed, const std::string& purpose) const {
    return {static_cast<std::uint64_t>(seed), purpose + "/" + samples->identity()};
  }
  CostModel MakeCostModel() const { return CostModel(model, cluster, kernels, software); }
  /// `count` samples as the model sees them, one after the other: more of them extend fewer. InputError when one holds
  /// what the model has no encoder for.
  std::vector<SampleShape> DrawShapes(RandomStream& random, int count) const;
  /// The same samples as they are before a model sees them.
  std::vector<Sample> DrawSamples(RandomStream& random, int count) const;
};

/// Reads everything a scenario names, files included; `policies` are used where it brings none of its own.
Scenario ReadScenario(const JsonReader& json, const std::vector<PolicySpec>& policies);

/// Makes every {"file": …} of a scenario absolute; relative names count from `folder`.
void ResolveFiles(Json& scenario, const std::string& folder);

/// The files that a resolved scenario reads, those named inside of other files included.
std::vector<std::string> FilesOf(const Json& scenario);

}  // namespace dflop
