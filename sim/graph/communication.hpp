// Messages and collectives between GPUs as what they are to an engine: flows of bytes.
#pragma once

#include <vector>

#include "base/units.hpp"

namespace dflop {

/// Bytes from one GPU to another, over NVLink inside a node, over one NIC at either end otherwise.
struct Flow {
  int source_gpu = 0;
  int target_gpu = 0;
  Bytes bytes{0};
};

/// Flows that start together; the communication ends when all have arrived.
struct Communication {
  std::vector<Flow> flows;
  Seconds latency{0};  ///< before the first byte arrives; for a collective the sum over its rounds
};

}  // namespace dflop
