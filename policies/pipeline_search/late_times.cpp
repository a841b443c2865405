// Devices take turns from the end: each goes back as far as it is known what waits for its operations.
#include "policies/pipeline_search/late_times.hpp"

#include <algorithm>
#include <cstddef>

#include "base/error.hpp"
#include "base/index.hpp"

namespace dflop {
namespace {

constexpr double kUnknownYet = -1;

class LateRun {
 public:
  LateRun(TimedOrders& run, const ScheduleProblem& problem)
      : run_(run),
        problem_(problem),
        stages_(problem.StagesOfDevices()),
        forward_begin_(Index(problem.stages()) * Index(problem.microbatches), kUnknownYet),
        backward_begin_(forward_begin_) {
    for (const std::vector<TimedOp>& device : run.devices) left_.push_back(device.size());
  }

  void Run() {
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t device = 0; device < left_.size(); ++device) moved |= GoBack(device);
    }
    for (const std::size_t left : left_) DFLOP_CHECK(left == 0, "orders that can end");
  }

 private:
  std::size_t Cell(int stage, int k) const { return Index(stage) * Index(problem_.microbatches) + Index(k); }

  bool GoBack(std::size_t device) {
    std::vector<TimedOp>& ops = run_.devices[device];
    const std::size_t before = left_[device];
    for (std::size_t& left = left_[device]; left > 0; --left) {
      TimedOp& one = ops[left - 1];
      const int stage = stages_[device][Index(one.op.chunk)];
      const double wanted = WantedBy(one.op, stage);
      if (wanted == kUnknownYet) break;
      const Seconds lasts = one.end - one.start;
      one.end = std::min(left < ops.size() ? ops[left].start : run_.makespan, Seconds(wanted));
      one.start = std::max(Seconds(0), one.end - lasts);  // 0 but for rounding
      if (one.op.kind == OpKind::kForward) forward_begin_[Cell(stage, one.op.microbatch)] = one.start.value();
      if (GivesInputGradient(one.op.kind)) backward_begin_[Cell(stage, one.op.microbatch)] = one.start.value();
    }
    return left_[device] < before;
  }

  /// When another device's operation wants its result; those of its own come behind it anyway.
  double WantedBy(const ScheduledOp& op, int stage) const {
    const bool goes_down = op.kind == OpKind::kForward;
    if (op.kind == OpKind::kBackwardWeight || (goes_down ? problem_.IsLast(stage) : problem_.IsFirst(stage))) {
      return run_.makespan.value();
    }
    const int next = goes_down ? stage + 1 : stage - 1;
    const double begin = (goes_down ? forward_begin_ : backward_begin_)[Cell(next, op.microbatch)];
    const bool is_here = problem_.placement[Index(next)] == problem_.placement[Index(stage)];
    if (begin == kUnknownYet || is_here) return begin;
    return std::max(0.0, begin - problem_.Transfer(std::min(stage, next), op.microbatch).value());
  }

  TimedOrders& run_;
  const ScheduleProblem& problem_;
  const std::vector<std::vector<int>> stages_;
  std::vector<std::size_t> left_;       ///< [device]: operations from the first that have no late time yet
  std::vector<double> forward_begin_;   ///< [stage, microbatch]
  std::vector<double> backward_begin_;  ///< the same
};

}  // namespace

TimedOrders AsLateAsPossible(TimedOrders run, const ScheduleProblem& problem) {
  LateRun(run, problem).Run();
  return run;
}

}  // namespace dflop
