// Devices take turns: each runs on as far as its inputs are known.
#include "policies/api/timed_orders.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"

namespace dflop {
namespace {

constexpr double kUnknown = -1;

class OrderRun {
 public:
  OrderRun(const std::vector<DeviceOrder>& orders, const ScheduleProblem& problem)
      : orders_(orders),
        problem_(problem),
        stages_(problem.StagesOfDevices()),
        forward_end_(Index(problem.stages()) * Index(problem.microbatches), kUnknown),
        gradient_end_(forward_end_) {
    run_.devices.resize(orders.size());
  }

  TimedOrders Run() {
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t device = 0; device < orders_.size(); ++device) moved |= Advance(device);
    }
    for (std::size_t device = 0; device < orders_.size(); ++device) {
      DFLOP_CHECK(run_.devices[device].size() == orders_[device].size(), "orders that can end");
      if (run_.devices[device].empty()) continue;
      const Seconds begin = run_.devices[device].front().start, end = run_.devices[device].back().end;
      run_.makespan = std::max(run_.makespan, end);
      run_.span = std::max(run_.span, end - begin);
    }
    return std::move(run_);
  }

 private:
  std::size_t Cell(int stage, int microbatch) const {
    return Index(stage) * Index(problem_.microbatches) + Index(microbatch);
  }

  bool Advance(std::size_t device) {
    std::vector<TimedOp>& done = run_.devices[device];
    const std::size_t before = done.size();
    while (done.size() < orders_[device].size()) {
      const ScheduledOp& op = orders_[device][done.size()];
      const int stage = stages_[device][Index(op.chunk)];
      const double ready = Ready(op, stage);
      if (ready == kUnknown) break;
      const Seconds start = std::max(Seconds(ready), done.empty() ? Seconds(0) : done.back().end);
      done.push_back({op, start, start + Duration(op, stage)});
      if (op.kind == OpKind::kForward) forward_end_[Cell(stage, op.microbatch)] = done.back().end.value();
      if (GivesInputGradient(op.kind)) gradient_end_[Cell(stage, op.microbatch)] = done.back().end.value();
    }
    return done.size() > before;
  }

  Seconds Duration(const ScheduledOp& op, int stage) const {
    const StageTimes times = problem_.At(stage, op.microbatch);
    switch (op.kind) {
      case OpKind::kForward:
        return times.forward;
      case OpKind::kBackwardInput:
        return times.backward_input;
      case OpKind::kBackwardWeight:
        return times.backward_weight;
      default:
        return times.backward();
    }
  }

  /// When its input is there.
  double Ready(const ScheduledOp& op, int stage) const {
    if (op.kind == OpKind::kForward) return stage == 0 ? 0 : Arrived(forward_end_, stage - 1, stage, op.microbatch);
    if (op.kind == OpKind::kBackwardWeight) return gradient_end_[Cell(stage, op.microbatch)];
    const double forward = forward_end_[Cell(stage, op.microbatch)];
    if (forward == kUnknown || stage + 1 == problem_.stages()) return forward;
    const double gradient = Arrived(gradient_end_, stage + 1, stage, op.microbatch);
    return gradient == kUnknown ? kUnknown : std::max(forward, gradient);
  }

  double Arrived(const std::vector<double>& ends, int from, int to, int microbatch) const {
    const double end = ends[Cell(from, microbatch)];
    if (end == kUnknown || problem_.placement[Index(from)] == problem_.placement[Index(to)]) return end;
    return end + problem_.Transfer(std::min(from, to), microbatch).value();
  }

  const std::vector<DeviceOrder>& orders_;
  const ScheduleProblem& problem_;
  const std::vector<std::vector<int>> stages_;
  std::vector<double> forward_end_;   ///< [stage, microbatch]
  std::vector<double> gradient_end_;  ///< of the input's gradient
  TimedOrders run_;
};

double Peak(const DeviceOrder& order, const std::vector<int>& stages, const ScheduleProblem& problem,
            double weight_share) {
  double held = 0, peak = 0;
  for (const ScheduledOp& op : order) {
    const double one = problem.Held(stages[Index(op.chunk)]);
    if (op.kind == OpKind::kForward) held += one;
    peak = std::max(peak, held);
    if (op.kind == OpKind::kBackward) held -= one;
    if (op.kind == OpKind::kBackwardInput) held -= one * (1 - weight_share);
    if (op.kind == OpKind::kBackwardWeight) held -= one * weight_share;
  }
  return peak;
}

}  // namespace

double TimedOrders::Bubble(Seconds whole) const {
  if (whole <= Seconds(0) || devices.empty()) return 0;
  Seconds busy{0};
  for (const std::vector<TimedOp>& device : devices) {
    for (const TimedOp& one : device) busy += one.end - one.start;
  }
  return 1 - busy / (whole * static_cast<double>(devices.size()));
}
double TimedOrders::bubble_of_makespan() const { return Bubble(makespan); }
double TimedOrders::bubble_of_span() const { return Bubble(span); }

TimedOrders RunOrders(const std::vector<DeviceOrder>& orders, const ScheduleProblem& problem, double weight_share) {
  TimedOrders run = OrderRun(orders, problem).Run();
  const std::vector<std::vector<int>> stages = problem.StagesOfDevices();
  for (std::size_t device = 0; device < orders.size(); ++device) {
    run.peak_activations.push_back(Peak(orders[device], stages[device], problem, weight_share));
  }
  return run;
}

}  // namespace dflop
