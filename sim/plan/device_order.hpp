// The order in which a device runs its microbatches: plain data that a pipeline schedule produces.
#pragma once

#include <vector>

#include "sim/graph/op_kind.hpp"

namespace dflop {

/// One entry of a device's order. `chunk` counts the stages that a device holds, first stage = 0.
struct ScheduledOp {
  OpKind kind = OpKind::kForward;
  int microbatch = 0;
  int chunk = 0;
  bool operator==(const ScheduledOp&) const = default;
};

using DeviceOrder = std::vector<ScheduledOp>;

}  // namespace dflop
