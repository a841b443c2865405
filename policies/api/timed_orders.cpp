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
        forward_end_(Index(problem.stages()) * Index(problem.units()), kUnknown),
        gradient_end_(forward_end_),
        shares_(Index(problem.microbatches)),
        encoded_(Index(problem.microbatches)) {
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
  std::size_t Cell(int stage, int unit) const { return Index(stage) * Index(problem_.units()) + Index(unit); }

  bool Advance(std::size_t device) {
    std::vector<TimedOp>& done = run_.devices[device];
    const std::size_t before = done.size();
    while (done.size() < orders_[device].size()) {
      const std::size_t first = done.size();
      const std::size_t behind = first + (orders_[device][first].pair > 0 ? 2 : 1);
      Seconds start = done.empty() ? Seconds(0) : done.back().end;
      bool is_ready = true;
      for (std::size_t place = first; place < behind; ++place) {
        const double ready = Ready(device, orders_[device][place]);
        is_ready = is_ready && ready != kUnknown;
        start = std::max(start, Seconds(ready));
      }
      if (!is_ready) break;
      for (std::size_t place = first; place < behind; ++place) {
        done.push_back({orders_[device][place], start, start + Duration(device, place)});
        start = done.back().end;
      }
      for (std::size_t place = first; place < behind; ++place) End(device, orders_[device][place], start);
    }
    return done.size() > before;
  }

  void End(std::size_t device, const ScheduledOp& op, Seconds end) {
    if (problem_.IsEncoder(op)) {
      if (op.kind != OpKind::kForward) return;
      ++shares_[Index(op.microbatch)];
      encoded_[Index(op.microbatch)] = std::max(encoded_[Index(op.microbatch)], end.value());
      return;
    }
    const std::size_t cell = Cell(stages_[device][Index(op.chunk)], problem_.UnitOf(op));
    if (op.kind == OpKind::kForward) forward_end_[cell] = end.value();
    if (GivesInputGradient(op.kind)) gradient_end_[cell] = end.value();
  }

  Seconds Duration(std::size_t device, std::size_t place) const {
    const ScheduledOp& op = orders_[device][place];
    const StageTimes times =
        problem_.IsEncoder(op) ? problem_.EncoderAt(static_cast<int>(device), op.chunk - problem_.chunks, op.microbatch)
                               : problem_.At(stages_[device][Index(op.chunk)], op.microbatch);
    return Alone(op, times) * (orders_[device].ShareAt(place) / problem_.splits);
  }

  /// Of the whole microbatch.
  static Seconds Alone(const ScheduledOp& op, const StageTimes& times) {
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
  double Ready(std::size_t device, const ScheduledOp& op) const {
    if (problem_.IsEncoder(op)) return op.kind == OpKind::kForward ? 0 : GradientBehind(op);
    const int stage = stages_[device][Index(op.chunk)];
    if (op.kind == OpKind::kForward) {
      return problem_.IsFirst(stage) ? Encoded(op.microbatch) : Arrived(forward_end_, stage - 1, stage, op);
    }
    if (op.kind == OpKind::kBackwardWeight) return gradient_end_[Cell(stage, problem_.UnitOf(op))];
    const double forward = forward_end_[Cell(stage, problem_.UnitOf(op))];
    if (forward == kUnknown || problem_.IsLast(stage)) return forward;
    const double gradient = Arrived(gradient_end_, stage + 1, stage, op);
    return gradient == kUnknown ? kUnknown : std::max(forward, gradient);
  }

  /// When the first stage may have what all devices encode of a microbatch.
  double Encoded(int k) const {
    if (problem_.encoders == 0) return 0;
    if (shares_[Index(k)] < problem_.devices * problem_.encoders) return kUnknown;
    return encoded_[Index(k)] + problem_.EncoderTransfer(k).value();
  }
  /// When the first stage's gradient is back at the encoders.
  double GradientBehind(const ScheduledOp& op) const {
    const double end = gradient_end_[Cell(0, problem_.UnitOf(op))];
    return end == kUnknown ? kUnknown : end + problem_.EncoderTransfer(op.microbatch).value();
  }

  /// A split's message is a part of the microbatch's.
  double Arrived(const std::vector<double>& ends, int from, int to, const ScheduledOp& op) const {
    const double end = ends[Cell(from, problem_.UnitOf(op))];
    if (end == kUnknown || problem_.placement[Index(from)] == problem_.placement[Index(to)]) return end;
    return end + problem_.Transfer(std::min(from, to), op.microbatch).value() / problem_.splits;
  }

  const std::vector<DeviceOrder>& orders_;
  const ScheduleProblem& problem_;
  const std::vector<std::vector<int>> stages_;
  std::vector<double> forward_end_;   ///< [stage, unit]
  std::vector<double> gradient_end_;  ///< of the input's gradient
  std::vector<int> shares_;           ///< [microbatch]: that encoders have done of it
  std::vector<double> encoded_;       ///< [microbatch]: the last of their ends
  TimedOrders run_;
};

double Peak(const DeviceOrder& order, const std::vector<int>& stages, const ScheduleProblem& problem,
            double weight_share) {
  double held = 0, peak = 0;
  for (const ScheduledOp& op : order) {
    if (problem.IsEncoder(op)) continue;
    const double one = problem.Held(stages[Index(op.chunk)]) / problem.splits;
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
