// Stages of a module are divided alike, so the first of each says all.
#include "sim/plan/training_check.hpp"

#include <algorithm>
#include <set>
#include <vector>

#include "models/sharding.hpp"

namespace dflop {
namespace {

/// Ulysses gives every context-parallel rank whole heads.
std::string WhyHeads(const CostModel& cost, const ModulePart& part) {
  const Mesh& mesh = part.mesh;
  const int heads = cost.model().shape(part.module).heads / mesh.tp;
  if (mesh.cp == 1 || cost.software().context_parallel != ContextParallel::kUlysses || heads % mesh.cp == 0) return "";
  int below = mesh.cp;
  while (heads % below != 0) --below;
  return "ulysses over " + std::to_string(mesh.cp) + " ranks does not divide the " + std::to_string(heads) +
         " heads that a tensor-parallel rank of " + cost.model().module_name(part.module) +
         " has; nearest that does: " + std::to_string(below) + "; a ring divides tokens instead";
}

/// The copies of an encoder that is spread over a pipeline lie on different stages, whose devices run different orders.
std::string WhySpread(const CostModel& cost, const Layout& layout) {
  const std::vector<bool> spread = SpreadStages(layout);
  const bool spreads = std::find(spread.begin(), spread.end(), true) != spread.end();
  if (spreads && layout.communicator.blocking) {
    return "messages of an encoder that is spread over the LLM's devices cannot block: both ends are the same devices; "
           "take a communicator that does not";
  }
  if (!spreads || cost.software().sharding_of(false) != Sharding::kParameters) return "";
  std::set<int> positions;  // of the LLM's stages
  for (std::size_t s = 0; s < spread.size(); ++s) {
    if (!spread[s]) positions.insert(layout.stages[s].depth);
  }
  if (positions.size() < 2) return "";
  return "parameters of an encoder that is spread over several pipeline stages are not gathered in step; set "
         "software.encoder_sharding to zero1 or none";
}

/// Ranks that divide a sequence have shares of all of it, of which the splits would be shares again: nothing prices
/// that. What cross-attention layers see cannot come part by part.
std::string WhyNotInSplits(const CostModel& cost, const Layout& layout) {
  if (layout.splits == 1) return "";
  if (cost.model().llm.shape.has_cross_layers()) {
    return "a schedule in " + std::to_string(layout.splits) +
           " splits encodes part by part, but the first part of a sequence wants all that its cross-attention layers "
           "see; "
           "take a schedule without splits";
  }
  for (const Stage& stage : layout.stages) {
    for (const ModulePart& part : stage.parts) {
      if (part.mesh.cp == 1) continue;
      return "context parallelism over " + std::to_string(part.mesh.cp) +
             " ranks divides the sequences that a schedule in " + std::to_string(layout.splits) +
             " splits divides too; take cp 1, or a schedule without splits";
    }
  }
  return "";
}

/// The copies of a stage lie on two devices of a pipeline, whose orders run it at different times.
std::string WhyDirections(const CostModel& cost, const Layout& layout) {
  if (layout.directions == 1 || !cost.software().couples_microbatches()) return "";
  return "pipelines in two directions add up their gradients at the end of the step: sharding zero2 and zero3, which "
         "meet within it, are for one direction; set software.sharding to zero1 or none";
}

}  // namespace

std::string WhyNotTrained(const CostModel& cost, const Layout& layout) {
  const std::string spread = WhySpread(cost, layout);
  if (!spread.empty()) return spread;
  const std::string splits = WhyNotInSplits(cost, layout);
  if (!splits.empty()) return splits;
  const std::string directions = WhyDirections(cost, layout);
  if (!directions.empty()) return directions;
  std::set<int> seen;
  for (const Stage& stage : layout.stages) {
    for (const ModulePart& part : stage.parts) {
      if (!seen.insert(part.module).second) continue;
      const bool llm = cost.model().is_llm(part.module);
      const std::string group = WhyShardGroup(cost.software(), llm, layout.copies(part), part.mesh.copies());
      if (!group.empty()) return group;
      const std::string heads = WhyHeads(cost, part);
      if (!heads.empty()) return heads;
    }
  }
  return "";
}

}  // namespace dflop
