// Predicted costs are kept beside those that the engine runs, which a disturbance may have changed.
#include "sim/step/step.hpp"

#include <algorithm>

#include "base/index.hpp"
#include "sim/build/graph_builder.hpp"

namespace dflop {

Step SimulateStep(const Job& job, const BatchPlan& plan, const std::vector<SampleShape>& batch, Engine& engine,
                  const Disturbance& disturb) {
  Step step;
  for (const auto& replica : plan.buckets) {
    for (const auto& bucket : replica) {
      step.samples += static_cast<double>(bucket.size());
      for (const int i : bucket) step.tokens += batch[Index(i)].llm_tokens;
    }
  }
  step.work = DivideWork(plan, job.layout, job.cost, batch);
  step.predicted = PriceStep(job.cost, job.layout, step.work);
  step.costs = step.predicted;
  if (disturb) disturb(step.work, step.costs);
  step.graph = BuildGraph(job, step.work, step.costs);
  step.times = engine.Run(step.graph);
  return step;
}

}  // namespace dflop
