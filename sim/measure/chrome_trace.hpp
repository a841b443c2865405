// Chrome/Perfetto JSON of one step: open it at ui.perfetto.dev, or offline in chrome://tracing.
#pragma once

#include <string>
#include <vector>

#include "models/cost_model.hpp"
#include "sim/plan/layout.hpp"
#include "sim/step/step.hpp"

namespace dflop {

/// Object form; ts and dur in µs, pid = node, tid = device group's stream (encoder, LLM, communication), names and sort
/// order, flow arrows for transfers, a memory counter per device group, args with microbatch, samples, tokens,
/// predicted cost and its source. Written event by event; of the device groups that are not `drawn` there is nothing.
void WriteChromeTrace(const std::string& path, const CostModel& cost, const Layout& layout, const BatchPlan& plan,
                      const Step& step, const std::vector<bool>& drawn);

}  // namespace dflop
