// Which samples stand in the microbatches of a drawn step, for whoever looks at its picture.
#pragma once

#include <vector>

#include "base/json.hpp"
#include "sim/plan/batch_plan.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

/// Beyond so many numbers a timeline goes without: it is to stay a fraction of its events.
inline constexpr std::size_t kMostDrawnSamples = 1 << 16;

/// [{"module", "replica", "microbatches": [[sample numbers], …]}, …] of the modules and replicas that a drawn stage
/// (`drawn`: [device group]) ends in; null where there would be more than kMostDrawnSamples numbers.
Json DrawnSamples(const BatchPlan& plan, const Layout& layout, const std::vector<bool>& drawn);

}  // namespace dflop
