// The time of a step that defers samples is divided by the share of the corrected work that it runs.
#include "policies/correction/corrected_step.hpp"

#include <map>
#include <utility>

#include "base/index.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/engine/engine.hpp"

namespace dflop {
namespace {

StepCosts CorrectedCosts(const BatchContext& context, const BatchPlan& plan, const StepWork& work,
                         const StageFactor& factor) {
  const Layout& layout = context.layout;
  const SampleShares shares(context, plan);
  const std::vector<int> places = PlacesInModules(layout);
  StepCosts costs = PriceStep(context.cost, layout, work);
  for (std::size_t s = 0; s < layout.stages.size(); ++s) {
    for (int k = 0; k < layout.units(); ++k) {
      const std::vector<SampleShare> samples = shares.Of(layout.stages[s], k);
      double mean = samples.empty() ? 1 : 0;
      for (const SampleShare& sample : samples) {
        mean += sample.share * factor(places[s], sample.module, sample.tokens);
      }
      PartCost& cost = costs.stages[s][Index(k)];
      for (OperationCost* operation : {&cost.forward, &cost.backward, &cost.weight_gradient}) operation->time *= mean;
    }
  }
  return costs;
}

/// Of the batch's corrected seconds, those that the plan runs; each module counts as its first stage does.
double ShareRun(const BatchContext& context, const BatchPlan& plan, const StageFactor& factor) {
  const auto costs = MakeBatchProblem(context.cost, context.layout, context.batch).module_costs;
  std::vector<double> work(context.batch.size());
  double all = 0;
  for (std::size_t i = 0; i < work.size(); ++i) {
    for (std::size_t m = 0; m < costs.size(); ++m) {
      const int module = static_cast<int>(m);
      work[i] += costs[m][i] * factor(0, module, TokensIn(context.cost.model(), module, context.batch[i]));
    }
    all += work[i];
  }
  double deferred = 0;
  for (const int i : plan.deferred) deferred += work[Index(i)];
  return 1 - deferred / all;
}

}  // namespace

SampleShares::SampleShares(const BatchContext& context, const BatchPlan& plan)
    : context_(context),
      plan_(plan),
      costs_(MakeBatchProblem(context.cost, context.layout, context.batch).module_costs) {}

std::vector<SampleShare> SampleShares::Of(const Stage& stage, int unit) const {
  std::vector<SampleShare> shares;
  double sum = 0;
  for (const ModulePart& part : stage.parts) {
    for (const int i :
         SamplesIn(plan_, context_.layout, part.module, stage.replica, context_.layout.MicrobatchOf(unit))) {
      const double tokens = TokensIn(context_.cost.model(), part.module, context_.batch[Index(i)]);
      shares.push_back({part.module, tokens, costs_[Index(part.module)][Index(i)]});
      sum += shares.back().share;
    }
  }
  for (SampleShare& share : shares) share.share /= sum;
  return shares;
}

std::vector<int> PlacesInModules(const Layout& layout) {
  std::vector<int> places;
  std::map<std::pair<int, int>, int> seen;  // stages so far of (module, replica)
  for (const Stage& stage : layout.stages) places.push_back(seen[{stage.parts.front().module, stage.replica}]++);
  return places;
}

Seconds CorrectedTime(const BatchContext& context, const BatchPlan& plan, const StageFactor& factor) {
  const StepWork work = DivideWork(plan, context.layout, context.cost, context.batch);
  const StepCosts costs = CorrectedCosts(context, plan, work, factor);
  const OperationGraph graph = BuildGraph(context, work, costs);
  const Seconds makespan = MakeReplayEngine()->Run(graph).makespan;
  return plan.deferred.empty() ? makespan : makespan / ShareRun(context, plan, factor);
}

}  // namespace dflop
