// Which devices of a step its trace and its picture show: a step of 100,000 GPUs is too large for any viewer.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "sim/plan/job.hpp"
#include "sim/step/step.hpp"

namespace dflop {

enum class TraceDetail {
  kFull,    ///< every device
  kSample,  ///< replicas that tell what happened, as DrawnGroups says
  kNone,
};

inline constexpr std::size_t kMostDrawnGroups = 64;

/// The operations that the end of the step waited for, last to first: read off the times of whichever engine gave them,
/// where LongestPath knows its own. Of several, one.
std::vector<int> WaitedFor(const OperationGraph& graph, const SweepOrder& order, const OperationTimes& times);

/// "full", "sample", "none".
const std::vector<std::string>& TraceDetailNames();
TraceDetail TraceDetailOf(const std::string& name);

/// Whether every device of the layout is drawn; a step then has to tell equal replicas apart.
bool DrawsAll(const Layout& layout, TraceDetail detail);

/// [device group]: whether it is drawn; of replicas that one stands for, that one. A sample of a step that has more
/// than `most` holds whole replicas: the one that the end of the step waited for longest and the first of every module,
/// which names what all replicas do together; then, as far as they fit, the last and the first to end their
/// microbatches, of every module and of every class of equal replicas, the largest class first.
std::vector<bool> DrawnGroups(const Job& job, const Step& step, TraceDetail detail,
                              std::size_t most = kMostDrawnGroups);

}  // namespace dflop
