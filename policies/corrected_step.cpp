#include "policies/corrected_step.hpp"

#include "base/index.hpp"
#include "policies/correction.hpp"
#include "sim/engine.hpp"

namespace dflop {
namespace {

double SamplesRun(const BatchContext& context, const BatchPlan& plan) {
  return static_cast<double>(context.batch.size() - plan.deferred.size());
}

}  // namespace

SampleShares::SampleShares(const BatchContext& context, const BatchPlan& plan)
    : context_(context),
      plan_(plan),
      costs_(MakeBatchProblem(context.cost, context.layout, context.batch).module_costs) {}

std::vector<SampleShare> SampleShares::Of(const Stage& stage, int microbatch) const {
  std::vector<SampleShare> shares;
  double sum = 0;
  for (const ModulePart& part : stage.parts) {
    for (const int i : SamplesIn(plan_, context_.layout, part.module, stage.replica, microbatch)) {
      const double tokens = TokensIn(context_.cost.model(), part.module, context_.batch[Index(i)]);
      shares.push_back({part.module, tokens, costs_[Index(part.module)][Index(i)]});
      sum += shares.back().share;
    }
  }
  for (SampleShare& share : shares) share.share /= sum;
  return shares;
}

Seconds CorrectedMakespan(const BatchContext& context, const BatchPlan& plan) {
  const Layout& layout = context.layout;
  const SampleShares shares(context, plan);
  const StepWork work = DivideWork(plan, layout, context.cost, context.batch);
  StepCosts costs = PriceStep(context.cost, layout, work);
  for (std::size_t s = 0; s < layout.stages.size(); ++s) {
    for (int k = 0; k < layout.microbatches; ++k) {
      double factor = 0;
      for (const SampleShare& sample : shares.Of(layout.stages[s], k)) {
        factor += sample.share * context.correction->Factor(sample.module, sample.tokens);
      }
      PartCost& cost = costs.stages[s][Index(k)];
      for (OperationCost* operation : {&cost.forward, &cost.backward, &cost.weight_gradient}) operation->time *= factor;
    }
  }
  const OperationGraph graph = BuildGraph(context.cost, layout, context.orders, work, costs);
  return MakeReplayEngine()->Run(graph).makespan;
}

double PredictedGain(const BatchContext& context, const BatchPlan& plan, const BatchPlan& plain) {
  if (plan.buckets == plain.buckets && plan.encoder_buckets == plain.encoder_buckets) return 0;
  const double with = CorrectedMakespan(context, plan).value() / SamplesRun(context, plan);
  const double without = CorrectedMakespan(context, plain).value() / SamplesRun(context, plain);
  return without / with - 1;
}

}  // namespace dflop
