// Parts that cost the same are priced once, and all stages of a module share the price of a layer.
#include "sim/build/step_costs.hpp"

#include <bit>
#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/index.hpp"
#include "models/sharding.hpp"

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

/// Sequences by what is in them.
struct SequencesHash {
  std::size_t operator()(const SequenceBatch* batch) const {
    std::size_t hash = Bits(batch->useful_tokens) + 31 * Bits(batch->useful_squares);
    for (const SequenceBatch::Group& group : batch->groups)
      hash = (((hash * 31 + Bits(group.length)) * 31 + Bits(group.count)) * 31 + Bits(group.context)) * 31 +
             Bits(group.media);
    return hash * 0x9E3779B97F4A7C15u >> 7;
  }
  static std::size_t Bits(double value) { return std::bit_cast<std::uint64_t>(value); }
};
struct SameSequences {
  bool operator()(const SequenceBatch* a, const SequenceBatch* b) const { return *a == *b; }
};

/// Prices microbatches for parts. Of many replicas and steps many run equal sequences, and of the stages of a module
/// many hold equally many middle layers: what costs the same is priced once, and all stages share the price of a layer.
class PartPricer {
 public:
  PartPricer(const CostModel& cost, const StepWork& work) : cost_(cost), work_(work) {}

  /// Adds the prices of a replica's microbatches for this part to `row`, which is empty or has as many entries.
  void AddTo(std::vector<PartCost>& row, const ModulePart& part, int replica, KindId kind) {
    const std::vector<int>& contents = ContentsOf(part.module, replica);
    LayerPrices& layers = layers_[{part.module, kind, part.mesh}];
    Prices& prices = prices_[{part.module, kind, part.mesh, cost_.Layers(part), part.has_input, part.has_output}];
    const bool is_first = row.empty();
    row.resize(contents.size());
    for (std::size_t k = 0; k < contents.size(); ++k) {
      const std::size_t content = Index(contents[k]);
      if (content >= prices.size()) prices.resize(batches_.size());
      if (!prices[content]) prices[content] = PriceOf(part, kind, content, layers);
      if (is_first) {
        row[k] = *prices[content];
      } else {
        row[k] += *prices[content];
      }
    }
  }

 private:
  using LayerPrices = std::vector<std::optional<LayerCost>>;  ///< [content]
  using Prices = std::vector<std::optional<PartCost>>;

  PartCost PriceOf(const ModulePart& part, KindId kind, std::size_t content, LayerPrices& layers) {
    const SequenceBatch& batch = *batches_[content];
    if (cost_.Layers(part).total() == 0) return cost_.Part(part, batch, LayerCost{}, kind);
    if (content >= layers.size()) layers.resize(batches_.size());
    if (!layers[content]) layers[content] = cost_.Layer(part, batch, kind);
    return cost_.Part(part, batch, *layers[content], kind);
  }

  const std::vector<int>& ContentsOf(int module, int replica) {
    const auto [entry, is_new] = contents_.try_emplace({module, replica});
    if (!is_new) return entry->second;
    for (const SequenceBatch& batch : work_[Index(module)][Index(replica)]) {
      const auto [known, is_unknown] = content_of_.try_emplace(&batch, static_cast<int>(batches_.size()));
      if (is_unknown) batches_.push_back(&batch);
      entry->second.push_back(known->second);
    }
    return entry->second;
  }

  const CostModel& cost_;
  const StepWork& work_;
  std::vector<const SequenceBatch*> batches_;  ///< [content]: one of those that have it
  std::unordered_map<const SequenceBatch*, int, SequencesHash, SameSequences> content_of_;
  std::map<std::pair<int, int>, std::vector<int>> contents_;  ///< (module, replica) → content by microbatch
  std::map<std::tuple<int, KindId, Mesh>, LayerPrices> layers_;
  std::map<std::tuple<int, KindId, Mesh, LayerCounts, bool, bool>, Prices> prices_;
};

}  // namespace

void SlowDown(OperationCost& cost, double factor) {
  cost.time *= factor;
  cost.tensor_parallel_communication *= factor;
  cost.context_parallel_communication *= factor;
  cost.expert_communication *= factor;
  cost.extrapolated *= factor;
}

void SlowDown(PartCost& cost, double factor) {
  for (OperationCost* operation : {&cost.forward, &cost.backward, &cost.weight_gradient}) SlowDown(*operation, factor);
}

std::vector<ModulePart> GatheredUnits(const CostModel& cost, const Layout& layout, const Stage& stage) {
  const SoftwareStack& software = cost.software();
  std::vector<ModulePart> units;
  for (const ModulePart& part : stage.parts) {
    const Sharding level = software.sharding_of(cost.model().is_llm(part.module));
    if (level != Sharding::kParameters || ShardRanks(software, level, layout.copies(part)) == 1) return {};
    for (const ModulePart& unit : UnitsOf(part, software.wrapped_layers)) units.push_back(unit);
  }
  return units;
}

Seconds DurationOf(const Operation& operation, const StepCosts& costs) {
  if (operation.kind == OpKind::kOptimizerStep) return costs.optimizer[Index(operation.stage)];
  if (operation.microbatch < 0) return Seconds(0);
  const PartCost& cost = costs.stages[Index(operation.stage)][Index(operation.microbatch)];
  UnitShare share{1, 1, 1};
  if (operation.unit >= 0) {
    if (costs.units.empty()) return Seconds(0);  // of a step that takes no time
    share = costs.units[Index(operation.stage)][Index(operation.microbatch)][Index(operation.unit)];
  }
  if (operation.kind == OpKind::kForward) return cost.forward.time * share.forward;
  return (GivesInputGradient(operation.kind) ? cost.backward.time * share.backward : Seconds(0)) +
         (GivesWeightGradient(operation.kind) ? cost.weight_gradient.time * share.weight_gradient : Seconds(0));
}

namespace {

/// What each unit takes of a microbatch, in which nothing to do is divided evenly.
std::vector<UnitShare> SharesOf(const std::vector<std::vector<PartCost>>& units, std::size_t microbatch) {
  PartCost sum;
  for (const auto& unit : units) sum += unit[microbatch];
  const auto share = [&](OperationCost PartCost::*operation, const PartCost& of) {
    const Seconds whole = (sum.*operation).time;
    return whole > Seconds(0) ? (of.*operation).time / whole : 1.0 / static_cast<double>(units.size());
  };
  std::vector<UnitShare> shares;
  for (const auto& unit : units) {
    const PartCost& of = unit[microbatch];
    shares.push_back(
        {share(&PartCost::forward, of), share(&PartCost::backward, of), share(&PartCost::weight_gradient, of)});
  }
  return shares;
}

void PriceUnits(const CostModel& cost, const Layout& layout, std::size_t s, KindId kind, PartPricer& pricer,
                StepCosts& costs) {
  const Stage& stage = layout.stages[s];
  std::vector<std::vector<PartCost>> units;
  for (const ModulePart& unit : GatheredUnits(cost, layout, stage)) {
    pricer.AddTo(units.emplace_back(), unit, stage.replica, kind);
  }
  if (units.empty()) return;
  costs.units.resize(layout.stages.size());
  for (std::size_t k = 0; k < costs.stages[s].size(); ++k) costs.units[s].push_back(SharesOf(units, k));
}

}  // namespace

StepCosts NoCosts(const CostModel& cost, const Layout& layout) {
  StepCosts costs;
  for (const Stage& stage : layout.stages) {
    bool backward = false;
    for (const ModulePart& part : stage.parts) backward |= cost.NeedsBackward(part);
    costs.needs_backward.push_back(backward);
    costs.stages.emplace_back(Index(layout.units()));
    costs.optimizer.emplace_back(0);
  }
  return costs;
}

StepCosts PriceStep(const CostModel& cost, const Layout& layout, const StepWork& work,
                    std::span<const ReplicaClass> classes, StepCosts reused) {
  PartPricer pricer(cost, work);
  const std::vector<int> copies = CopiesByReplica(classes, layout);
  StepCosts costs = std::move(reused);
  costs.optimizer.clear();
  costs.needs_backward.clear();
  costs.units.clear();
  costs.stages.resize(layout.stages.size());
  for (std::size_t s = 0; s < layout.stages.size(); ++s) {
    const Stage& stage = layout.stages[s];
    const KindId kind = KindOf(stage, layout, cost.cluster());
    Seconds optimizer{0};
    bool needs_backward = false;
    for (const ModulePart& part : stage.parts) {
      optimizer += cost.OptimizerStep(part, layout.copies(part), kind);
      needs_backward = needs_backward || cost.NeedsBackward(part);
    }
    costs.optimizer.push_back(optimizer);
    costs.needs_backward.push_back(needs_backward);
    std::vector<PartCost>& row = costs.stages[s];
    row.clear();
    if (!copies.empty() && copies[Index(stage.replica)] == 0) continue;
    for (const ModulePart& part : stage.parts) pricer.AddTo(row, part, stage.replica, kind);
    PriceUnits(cost, layout, s, kind, pricer, costs);
    if (!cost.cluster().has_slow_gpus()) continue;
    const double slower = 1 / SpeedOf(stage, layout, cost.cluster());
    costs.optimizer.back() *= slower;
    for (PartCost& of_microbatch : row) SlowDown(of_microbatch, slower);
  }
  return costs;
}

}  // namespace dflop
