// Which stages a module has under a layout, and whom it shares its devices with.
#pragma once

#include <vector>

#include "models/cost_model.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

/// Forward, backward and weight gradient.
Seconds WholeTime(const PartCost& cost);

/// A part with the kind of the nodes that run it.
struct PlacedPart {
  ModulePart part;
  KindId kind = kFirstKind;
};

/// The module's part that takes longest on that batch, over all replicas where their nodes may differ.
PlacedPart SlowestPart(const CostModel& cost, const Layout& layout, int module, const SequenceBatch& batch);

/// [module]: modules that share a device are of one kind; kinds are named by their first module. An encoder that is
/// spread over the LLM's devices is of its own: its share of a microbatch is the same on all of them.
std::vector<int> DeviceKinds(const Layout& layout);

}  // namespace dflop
