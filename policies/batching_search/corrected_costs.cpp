// A problem's costs bear the factors already, so what was predicted is found by dividing.
#include "policies/batching_search/corrected_costs.hpp"

#include "base/index.hpp"
#include "policies/api/correction.hpp"
#include "sim/build/step_costs.hpp"

namespace dflop {
namespace {

/// Seconds of the samples that a stage runs in one microbatch, without and with the correction.
struct Sums {
  double predicted = 0;
  double corrected = 0;
};

double Tokens(const BatchContext& context, int module, int sample) {
  const ModelSpec& model = context.cost.model();
  const SampleShape& shape = context.batch[Index(sample)];
  if (model.is_llm(module)) return shape.llm_tokens;
  return shape.tiles[Index(module)] * model.encoders[Index(module)].tokens_per_tile();
}

/// The problem's costs per module bear the factors already.
void Add(const BatchProblem& problem, int module, const std::vector<int>& bucket, Sums& sums) {
  for (const int i : bucket) {
    const double corrected = problem.module_costs[Index(module)][Index(i)];
    sums.corrected += corrected;
    sums.predicted += corrected / problem.context->correction->Factor(module, Tokens(*problem.context, module, i));
  }
}

double FactorOf(const BatchProblem& problem, const Layout& layout, const Stage& stage, const Buckets& buckets,
                std::size_t k) {
  Sums sums;
  for (const ModulePart& part : stage.parts) {
    if (layout.feeds(part.module)) {
      for (const auto& replica : buckets) Add(problem, part.module, replica[k], sums);
    } else {
      Add(problem, part.module, buckets[Index(stage.replica)][k], sums);
    }
  }
  return sums.predicted > 0 ? sums.corrected / sums.predicted : 1.0;
}

void Scale(PartCost& cost, double factor) {
  for (OperationCost* operation : {&cost.forward, &cost.backward, &cost.weight_gradient}) operation->time *= factor;
}

}  // namespace

AdjustCosts CorrectedCosts(const BatchProblem& problem) {
  if (problem.context->correction == nullptr) return {};
  return [&problem](const Layout& layout, const Buckets& buckets, StepCosts& costs) {
    for (std::size_t s = 0; s < costs.stages.size(); ++s) {
      for (std::size_t k = 0; k < costs.stages[s].size(); ++k) {
        Scale(costs.stages[s][k], FactorOf(problem, layout, layout.stages[s], buckets, k / Index(layout.splits)));
      }
    }
  };
}

}  // namespace dflop
