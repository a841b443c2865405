// A module goes on where the next stage holds layers of it too.
#include "sim/build/stage_boundary.hpp"

#include <algorithm>

#include "base/index.hpp"

namespace dflop {
namespace {

StageWay WayBetween(const Job& job, int from, int to) {
  const Stage& target = job.layout.stages[Index(to)];
  return {job.cost, job.layout.groups[Index(job.layout.stages[Index(from)].group)],
          job.layout.groups[Index(target.group)], target.parts.back().mesh};
}

}  // namespace

StageBoundary::StageBoundary(const Job& job, const StepWork& work, int first, int second)
    : cost_(job.cost),
      work_(work),
      stage_(job.layout.stages[Index(first)]),
      forward_(WayBetween(job, first, second)),
      backward_(WayBetween(job, second, first)) {
  const std::vector<ModulePart>& next = job.layout.stages[Index(second)].parts;
  next_layer_.reserve(stage_.parts.size());
  for (const ModulePart& part : stage_.parts) {
    const auto on =
        std::find_if(next.begin(), next.end(), [&](const ModulePart& other) { return other.module == part.module; });
    next_layer_.push_back(on == next.end() ? -1 : on->first_layer);
  }
}

Bytes StageBoundary::BytesOf(int k, bool backward) const {
  Bytes bytes{0};
  for (std::size_t i = 0; i < stage_.parts.size(); ++i) {
    const int module = stage_.parts[i].module;
    const SequenceBatch& batch = work_[Index(module)][Index(stage_.replica)][Index(k)];
    if (next_layer_[i] >= 0) {
      bytes += backward ? cost_.BoundaryGradientBytes(module, batch, next_layer_[i])
                        : cost_.BoundaryBytes(module, batch, next_layer_[i]);
    } else {
      bytes += cost_.ProjectedBytes(module, batch.tokens / cost_.model().encoders[Index(module)].tokens_per_tile());
    }
  }
  return bytes;
}

}  // namespace dflop
