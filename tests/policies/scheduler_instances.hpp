// The batches that the scheduler's quality and speed are judged on, from samples to costs by the real chain.
//
// dflop-mix samples of the quickstart's scenarios, priced under the degrees that `dflop plan
// experiments/quickstart.json
// --policy dflop` chooses (Llama-8B: encoder and LLM about equally loaded, the hard case; Qwen-32B: the LLM dominates).
// That plan cuts 256 samples into 195 or 256 buckets; here its degrees stay and the microbatch count is scaled, so that
// kernels are priced at the packed length of the wanted bucket count. Buckets are bounded one by one: replicas = 1.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "experiments/run/planning.hpp"
#include "experiments/spec/experiment.hpp"
#include "test_paths.hpp"

namespace dflop {

class SchedulerInstances {
 public:
  /// `model`: "llama3-8b" or "qwen2.5-32b".
  explicit SchedulerInstances(const std::string& model)
      : experiment_(ReadExperiment(std::string(DFLOP_SOURCE_DIR) + "/experiments/quickstart.json", {})),
        scenario_(ScenarioOf(experiment_, model)),
        job_(PlanJob(scenario_, PolicyOf(scenario_, "dflop"), 1)) {}

  BatchProblem Make(int samples, int buckets, int seed) const {
    RandomStream random(static_cast<std::uint64_t>(seed), "scheduler instances");
    Layout layout = job_.decision.layout;
    layout.microbatches = (buckets + layout.llm_replicas() - 1) / layout.llm_replicas();
    BatchProblem problem = MakeBatchProblem(job_.cost, layout, scenario_.DrawShapes(random, samples));
    problem.replicas = 1;
    problem.microbatches = buckets;
    return problem;
  }

 private:
  static const Scenario& ScenarioOf(const Experiment& experiment, const std::string& model) {
    for (const Point& point : experiment.points) {
      if (point.scenario.name.starts_with(model)) return point.scenario;
    }
    throw InputError("no scenario of the quickstart trains " + model);
  }
  static const PolicySpec& PolicyOf(const Scenario& scenario, const std::string& name) {
    for (const PolicySpec& policy : scenario.policies) {
      if (policy.name == name) return policy;
    }
    throw InputError("no policy of the quickstart is called " + name);
  }

  Experiment experiment_;
  const Scenario& scenario_;
  PlannedJob job_;
};

}  // namespace dflop
