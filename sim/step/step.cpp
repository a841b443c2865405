// Predicted costs are kept beside those that the engine runs where a disturbance changes them.
#include "sim/step/step.hpp"

#include <algorithm>
#include <utility>

#include "base/index.hpp"
#include "sim/build/graph_update.hpp"

namespace dflop {
namespace {

bool SameClasses(const std::vector<ReplicaClass>& a, const std::vector<ReplicaClass>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const ReplicaClass& x, const ReplicaClass& y) { return x.replicas == y.replicas; });
}

}  // namespace

Step SimulateStep(const Job& job, const BatchPlan& plan, const std::vector<SampleShape>& batch, Engine& engine,
                  const StepOptions& options, Step reused) {
  Step step = std::move(reused);
  step.samples = 0;
  step.tokens = 0;
  for (const auto& replica : plan.buckets) {
    for (const auto& bucket : replica) {
      step.samples += static_cast<double>(bucket.size());
      for (const int i : bucket) step.tokens += batch[Index(i)].llm_tokens;
    }
  }
  step.work = DivideWork(plan, job.layout, job.cost, batch);
  std::vector<ReplicaClass> classes;
  if (options.fold) {
    classes = ReplicaClassesOf(job.cost, job.layout, step.work);
    step.replica_classes = static_cast<int>(classes.size());
    const bool contend = engine.contends() && !MayFoldUnderContention(classes, job.cost.cluster(), job.layout);
    const bool differ = Index(job.layout.llm_replicas()) == classes.size();
    if (options.disturb || contend || differ || SharesFabric(job.cost.cluster()) ||
        !MayMeetFolded(classes, job.cost, job.layout) || !RunAlike(classes, job.layout, job.orders))
      classes.clear();
  }
  const bool same_graph = step.order && SameClasses(classes, step.classes) && MayUpdate(job, step.work, step.graph);
  step.classes = std::move(classes);
  step.predicted = PriceStep(job.cost, job.layout, step.work, step.classes, std::move(step.predicted));
  step.disturbed.reset();
  if (options.disturb) options.disturb(step.work, step.disturbed.emplace(step.predicted));
  if (same_graph) {
    UpdateGraph(job, step.work, step.costs(), step.graph);
  } else {
    step.graph = BuildGraph(job, step.work, step.costs(), {.classes = step.classes});
    step.order.emplace(step.graph);
  }
  step.times = engine.Run(step.graph, *step.order, {}, std::move(step.times));
  return step;
}

Step SimulateCosts(const Job& job, StepWork work, StepCosts costs, Engine& engine, const GraphOptions& options) {
  Step step;
  step.work = std::move(work);
  step.predicted = std::move(costs);
  step.classes.assign(options.classes.begin(), options.classes.end());
  step.graph = BuildGraph(job, step.work, step.predicted, options);
  step.order.emplace(step.graph);
  step.times = engine.Run(step.graph, *step.order, {});
  return step;
}

}  // namespace dflop
