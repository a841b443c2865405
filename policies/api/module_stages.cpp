// Replica 0 stands for all: replicas have the same stages.
#include "policies/api/module_stages.hpp"

#include <numeric>
#include <optional>

#include "base/error.hpp"
#include "base/index.hpp"

namespace dflop {

namespace {

/// Whether one layer costs the same in both parts.
bool SharesLayers(const PlacedPart& one, const PlacedPart& other) {
  const ModulePart& a = one.part;
  const ModulePart& b = other.part;
  return one.kind == other.kind && a.module == b.module && a.mesh == b.mesh;
}

}  // namespace

Seconds WholeTime(const PartCost& cost) { return cost.forward.time + cost.backward.time + cost.weight_gradient.time; }

PlacedPart SlowestPart(const CostModel& cost, const Layout& layout, int module, const SequenceBatch& batch) {
  PlacedPart slowest;
  Seconds longest{-1};
  bool found = false;
  LayerCost layer;
  std::optional<PlacedPart> priced;  // the part that the layer was priced for
  for (const Stage& stage : layout.stages) {
    if (stage.replica != 0 && cost.cluster().kinds() == 1) continue;
    const KindId kind = KindOf(stage, layout, cost.cluster());
    for (const ModulePart& part : stage.parts) {
      if (part.module != module) continue;
      const bool has_layers = cost.Layers(part).total() > 0;
      if (has_layers && (!priced || !SharesLayers(*priced, {part, kind}))) {
        layer = cost.Layer(part, batch, kind);
        priced = {part, kind};
      }
      const Seconds time = WholeTime(cost.Part(part, batch, has_layers ? layer : LayerCost{}, kind));
      // No number is slowest of all: it must reach whoever checks the costs.
      if (!(time <= longest)) longest = time, slowest = {part, kind}, found = true;
    }
  }
  DFLOP_CHECK(found, "every module has a stage");
  return slowest;
}

std::vector<int> DeviceKinds(const Layout& layout) {
  std::vector<int> kind(layout.pipelines.size());
  std::iota(kind.begin(), kind.end(), 0);
  std::vector<int> first_of_group(layout.groups.size(), -1);
  const std::vector<bool> spread = SpreadStages(layout);
  for (std::size_t s = 0; s < layout.stages.size(); ++s) {
    const Stage& stage = layout.stages[s];
    // A bucket goes one way: what the other direction runs on its devices is no work of its own.
    if (spread[s] || layout.DirectionOf(stage.replica) > 0) continue;
    int& first = first_of_group[Index(stage.group)];
    if (first < 0) first = kind[Index(stage.parts.front().module)];
    for (const ModulePart& part : stage.parts) kind[Index(part.module)] = first;
  }
  return kind;
}

}  // namespace dflop
