// Whether the way a model is trained fits a layout: what degrees alone do not say.
#pragma once

#include <string>

#include "sim/plan/layout.hpp"

namespace dflop {

/// "" when shard groups divide the copies of every part, the context-parallel ranks can share its heads, copies of what
/// is gathered run alike, and no sequence is cut that has to be whole; otherwise what is wrong and what works.
std::string WhyNotTrained(const CostModel& cost, const Layout& layout);

}  // namespace dflop
