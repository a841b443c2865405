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
  kSample,  ///< replicas that tell what happened, with at most kMostDrawnGroups device groups
  kNone,
};

inline constexpr std::size_t kMostDrawnGroups = 64;

/// "full", "sample", "none".
const std::vector<std::string>& TraceDetailNames();
TraceDetail TraceDetailOf(const std::string& name);

/// [device group]: whether it is drawn. Where a sample may not hold them all, whole replicas are taken as long as they
/// fit, and one in any case: the one that the end of the step waited for longest, the first, which names what all
/// replicas do together, the last and the first to end their microbatches, and then these two of every class of equal
/// replicas, the largest class first.
std::vector<bool> DrawnGroups(const Job& job, const Step& step, TraceDetail detail);

}  // namespace dflop
