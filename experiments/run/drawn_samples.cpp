// A stage's microbatches are those of its last module, as in the trace.
#include "experiments/run/drawn_samples.hpp"

#include <set>
#include <utility>

#include "base/index.hpp"

namespace dflop {

Json DrawnSamples(const BatchPlan& plan, const Layout& layout, const std::vector<bool>& drawn) {
  std::set<std::pair<int, int>> places;  // module, replica
  for (const Stage& stage : layout.stages) {
    if (drawn[Index(stage.group)]) places.emplace(stage.parts.back().module, stage.replica);
  }
  std::size_t numbers = 0;
  Json all = Json::EmptyArray();
  for (const auto& [module, replica] : places) {
    Json entry;
    entry["module"] = module;
    entry["replica"] = replica;
    entry["microbatches"] = Json::EmptyArray();
    for (int unit = 0; unit < layout.units(); ++unit) {
      const std::vector<int> samples = SamplesIn(plan, layout, module, replica, layout.MicrobatchOf(unit));
      numbers += samples.size();
      if (numbers > kMostDrawnSamples) return {};
      entry["microbatches"].push_back(Json::ArrayOf(samples));
    }
    all.push_back(std::move(entry));
  }
  return all;
}

}  // namespace dflop
