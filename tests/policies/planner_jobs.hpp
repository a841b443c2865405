// Real models on real clusters for the planner's benchmark and quality tables, as an experiment would read them.
#pragma once

#include <memory>
#include <string>

#include "experiments/run/planning.hpp"
#include "policies/api/registry.hpp"

namespace dflop {

class PlannerJob {
 public:
  PlannerJob(const std::string& model, const std::string& cluster, int nodes, const std::string& samples, int batch,
             const std::string& batcher = "dflop", std::uint64_t seed = 1)
      : json_(ParseJson(R"({"name": "job", "model": ")" + model + R"(", "cluster": {"name": ")" + cluster +
                            R"(", "nodes": )" + std::to_string(nodes) + R"(}, "samples": {"name": ")" + samples +
                            R"("}, "global_batch_size": )" + std::to_string(batch) + R"(, "recompute": "full",
                            "policies": [{"name": "none", "layout": "dflop", "batching": "dflop", "pipeline": "1f1b"}]})",
                        "job")),
        scenario_(ReadScenario(JsonReader(json_, "job"), {})),
        cost_(scenario_.MakeCostModel()),
        batcher_(Make<BatchScheduler>(batcher)),
        schedule_(Make<PipelineSchedule>("1f1b")),
        seed_(seed) {
    RandomStream random(seed, "planning/job");
    samples_ = scenario_.DrawShapes(random, scenario_.planning_samples);
  }
  PlanningProblem problem() const {
    return {cost_, scenario_.global_batch_size, samples_, *batcher_, *schedule_, seed_};
  }
  /// `planner`: a name or an object.
  LayoutDecision Plan(const std::string& planner) const { return Make<LayoutPlanner>(planner)->Plan(problem()); }

 private:
  template <typename Interface>
  static std::unique_ptr<Interface> Make(const std::string& spec) {
    const Json json = spec.starts_with("{") ? ParseJson(spec, "plug-in") : Json(spec);
    return Registry<Interface>::Instance().Make(JsonReader(json, "plug-in"));
  }

  Json json_;
  Scenario scenario_;
  CostModel cost_;
  std::unique_ptr<BatchScheduler> batcher_;
  std::unique_ptr<PipelineSchedule> schedule_;
  std::uint64_t seed_;
  std::vector<SampleShape> samples_;
};

}  // namespace dflop
