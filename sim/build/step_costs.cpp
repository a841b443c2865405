// Parts that cost the same are priced once, and all stages of a module share the price of a layer.
#include "sim/build/step_costs.hpp"

#include <map>
#include <tuple>

#include "base/index.hpp"

namespace dflop {
namespace {

PartCost& operator+=(PartCost& a, const PartCost& b) {
  a.forward += b.forward;
  a.backward += b.backward;
  a.weight_gradient += b.weight_gradient;
  a.model_flops += b.model_flops;
  a.hardware_flops += b.hardware_flops;
  return a;
}

/// Prices a row of microbatches for one part of one replica; the many stages of a module that hold equally many middle
/// layers cost the same and are priced once, and all of its stages share the price of one layer.
class PartPricer {
 public:
  PartPricer(const CostModel& cost, const StepWork& work) : cost_(cost), work_(work) {}

  const std::vector<PartCost>& Row(const ModulePart& part, int replica, KindId kind) {
    const LayerKey layer_key{part.module, replica, kind, part.mesh};
    const auto [entry, is_new] = rows_.try_emplace({layer_key, part.layers, part.has_input, part.has_output});
    if (!is_new) return entry->second;
    const std::vector<SequenceBatch>& batches = work_[Index(part.module)][Index(replica)];
    std::vector<LayerCost>& layers = layers_[layer_key];
    for (std::size_t k = 0; part.layers > 0 && layers.size() < batches.size(); ++k) {
      layers.push_back(cost_.Layer(part, batches[k], kind));
    }
    for (std::size_t k = 0; k < batches.size(); ++k) {
      entry->second.push_back(cost_.Part(part, batches[k], part.layers > 0 ? layers[k] : LayerCost{}, kind));
    }
    return entry->second;
  }

 private:
  using LayerKey = std::tuple<int, int, KindId, Mesh>;
  using Key = std::tuple<LayerKey, int, bool, bool>;
  const CostModel& cost_;
  const StepWork& work_;
  std::map<LayerKey, std::vector<LayerCost>> layers_;  ///< empty until a part with layers asks
  std::map<Key, std::vector<PartCost>> rows_;
};

}  // namespace

Seconds DurationOf(const Operation& operation, const StepCosts& costs) {
  if (operation.kind == OpKind::kOptimizerStep) return costs.optimizer[Index(operation.stage)];
  if (operation.microbatch < 0) return Seconds(0);
  const PartCost& cost = costs.stages[Index(operation.stage)][Index(operation.microbatch)];
  if (operation.kind == OpKind::kForward) return cost.forward.time;
  return (GivesInputGradient(operation.kind) ? cost.backward.time : Seconds(0)) +
         (GivesWeightGradient(operation.kind) ? cost.weight_gradient.time : Seconds(0));
}

StepCosts PriceStep(const CostModel& cost, const Layout& layout, const StepWork& work) {
  PartPricer pricer(cost, work);
  StepCosts costs;
  for (const Stage& stage : layout.stages) {
    auto& row = costs.stages.emplace_back(static_cast<std::size_t>(layout.microbatches));
    const KindId kind = KindOf(stage, layout, cost.cluster());
    Seconds optimizer{0};
    bool needs_backward = false;
    for (const ModulePart& part : stage.parts) {
      const auto& part_row = pricer.Row(part, stage.replica, kind);
      for (std::size_t k = 0; k < row.size(); ++k) row[k] += part_row[k];
      optimizer += cost.OptimizerStep(part, layout.copies(part), kind);
      needs_backward = needs_backward || cost.NeedsBackward(part);
    }
    costs.optimizer.push_back(optimizer);
    costs.needs_backward.push_back(needs_backward);
  }
  return costs;
}

}  // namespace dflop
