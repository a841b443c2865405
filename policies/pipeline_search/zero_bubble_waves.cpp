// Guessed, for the paper names no rule: when a backward is near enough for a forward to be left out (its estimated
// arrival is before the forward's end), and that waits before the first backward count.
#include "policies/pipeline_search/zero_bubble_waves.hpp"

#include <algorithm>

#include "policies/pipeline_search/schedule_memory.hpp"

namespace dflop {
namespace {

class Waves {
 public:
  Waves(const ScheduleProblem& problem, const WaveChoices& choices, double limit)
      : problem_(problem),
        choices_(choices),
        limit_(limit),
        devices_(Index(problem.devices)),
        forward_end_(Index(problem.devices) * Index(problem.microbatches)),
        backward_end_(forward_end_) {}

  std::vector<DeviceOrder> Run() {
    WarmUp();
    for (int k = 0; k < problem_.microbatches; ++k) {
      for (int d = 0; d < problem_.devices && k > 0; ++d) ForwardWave(d, k);
      for (int d = problem_.devices - 1; d >= 0; --d) Backward(d);
    }
    std::vector<DeviceOrder> orders;
    for (int d = 0; d < problem_.devices; ++d) {
      while (HasWeights(d)) Weights(d);
      orders.emplace_back(std::move(devices_[Index(d)].order));
    }
    return orders;
  }

 private:
  struct Device {
    std::vector<ScheduledOp> order{};
    double now = 0, held = 0, waited = 0;
    int forwards = 0, backwards = 0, weights = 0;
  };

  std::size_t Cell(int d, int k) const { return Index(d) * Index(problem_.microbatches) + Index(k); }
  bool HasWeights(int d) const { return devices_[Index(d)].weights < devices_[Index(d)].backwards; }

  /// When the next forward's input is there.
  double ForwardReady(int d) const {
    const int k = devices_[Index(d)].forwards;
    return d == 0 ? 0 : forward_end_[Cell(d - 1, k)] + problem_.Transfer(d - 1, k).value();
  }
  double BackwardReady(int d) const {
    const int k = devices_[Index(d)].backwards;
    const double own = forward_end_[Cell(d, k)];
    return d + 1 == problem_.devices ? own
                                     : std::max(own, backward_end_[Cell(d + 1, k)] + problem_.Transfer(d, k).value());
  }
  bool HasForward(int d) const {
    const int k = devices_[Index(d)].forwards;
    return k < problem_.microbatches && (d == 0 || k < devices_[Index(d - 1)].forwards);
  }

  /// Until the first backward there are forwards only, so that their times depend on the devices before alone; when the
  /// backward comes is known from the last device on. Counts are found from there up, forwards then run downwards.
  void WarmUp() {
    const std::vector<int> counts = ForwardsBefore();
    for (int d = 0; d < problem_.devices; ++d) {
      while (devices_[Index(d)].forwards < counts[Index(d)] && HasForward(d)) Forward(d);
    }
  }

  std::vector<int> ForwardsBefore() const {
    const std::vector<std::vector<double>> ends = EndsOfForwards();
    std::vector<int> most(devices_.size());  // one less than the device before
    for (std::size_t d = 0; d < most.size(); ++d) {
      most[d] = static_cast<int>(ends[d].size());
      if (d > 0) most[d] = std::max(1, std::min(most[d], most[d - 1] - 1));
    }
    std::vector<int> counts(devices_.size());
    double arrives = 0;  // the first backward
    for (int d = problem_.devices - 1; d >= 0; --d) {
      const std::vector<double>& end = ends[Index(d)];
      const bool last = d + 1 == problem_.devices;
      int count = last ? 1 : counts[Index(d) + 1] + 1;
      arrives = last ? end.front() : std::max(arrives + problem_.Transfer(d, 0).value(), end.front());
      count = std::min(count, most[Index(d)]);
      while (!last && count < most[Index(d)] && (choices_.waits_for_memory_only || end[Index(count)] <= arrives))
        ++count;
      counts[Index(d)] = count;
      arrives = std::max(arrives, end[Index(count) - 1]) + problem_.At(d, 0).backward_input.value();
    }
    return counts;
  }

  /// [device]: of as many as fit at once.
  std::vector<std::vector<double>> EndsOfForwards() const {
    std::vector<std::vector<double>> ends(devices_.size());
    for (int d = 0; d < problem_.devices; ++d) {
      double now = 0, held = 0;
      for (int k = 0; k < problem_.microbatches; ++k) {
        held += problem_.Held(d);
        const bool comes = d == 0 || Index(k) < ends[Index(d) - 1].size();
        if (!comes || !Fits(held, limit_)) break;
        const double ready = d == 0 ? 0 : ends[Index(d) - 1][Index(k)] + problem_.Transfer(d - 1, k).value();
        now = std::max(now, ready) + problem_.At(d, k).forward.value();
        ends[Index(d)].push_back(now);
      }
    }
    return ends;
  }

  void ForwardWave(int d, int k) {
    Device& device = devices_[Index(d)];
    if (!HasForward(d)) return;
    const bool needed = device.forwards <= k;
    if (!needed && choices_.skips_forwards && IsAhead(d) && BackwardComesFirst(d)) return;
    FillWait(d, ForwardReady(d));
    while (!Fits(device.held + problem_.Held(d), limit_) && HasWeights(d)) Weights(d);
    if (Fits(device.held + problem_.Held(d), limit_)) Forward(d);
  }
  bool IsAhead(int d) const {
    return d + 1 < problem_.devices && devices_[Index(d)].forwards >= devices_[Index(d) + 1].forwards + 2;
  }
  /// The device behind has just given its last one; the next follows after one more of each kind.
  bool BackwardComesFirst(int d) const {
    const Device& device = devices_[Index(d)];
    const int k = device.backwards;
    const StageTimes behind = problem_.At(d + 1, k);
    const double arrives =
        devices_[Index(d) + 1].now + (behind.forward + behind.backward_input).value() + problem_.Transfer(d, k).value();
    const double end = std::max(device.now, ForwardReady(d)) + problem_.At(d, device.forwards).forward.value();
    return arrives < end;
  }

  void FillWait(int d, double ready) {
    Device& device = devices_[Index(d)];
    while (HasWeights(d) && device.now < ready) {
      const bool fits = device.now + NextWeights(d) <= ready;
      const bool would_be_longest = device.waited + ready - device.now > LongestWait();
      if (!fits && !would_be_longest && !choices_.fills_greedily) return;
      Weights(d);
    }
  }
  double NextWeights(int d) const { return problem_.At(d, devices_[Index(d)].weights).backward_weight.value(); }
  double LongestWait() const {
    double longest = 0;
    for (const Device& device : devices_) longest = std::max(longest, device.waited);
    return longest;
  }

  void Forward(int d) {
    const int k = devices_[Index(d)].forwards++;
    forward_end_[Cell(d, k)] = Place(d, {OpKind::kForward, k}, d == 0 ? 0 : ReadyOf(d, k), problem_.At(d, k).forward);
    devices_[Index(d)].held += problem_.Held(d);
  }
  double ReadyOf(int d, int k) const { return forward_end_[Cell(d - 1, k)] + problem_.Transfer(d - 1, k).value(); }
  void Backward(int d) {
    FillWait(d, BackwardReady(d));
    const double ready = BackwardReady(d);
    const int k = devices_[Index(d)].backwards++;
    backward_end_[Cell(d, k)] = Place(d, {OpKind::kBackwardInput, k}, ready, problem_.At(d, k).backward_input);
    devices_[Index(d)].held -= problem_.Held(d) * (1 - problem_.weight_share);
  }
  void Weights(int d) {
    const int k = devices_[Index(d)].weights++;
    Place(d, {OpKind::kBackwardWeight, k}, 0, problem_.At(d, k).backward_weight);
    devices_[Index(d)].held -= problem_.Held(d) * problem_.weight_share;
  }
  double Place(int d, const ScheduledOp& op, double ready, Seconds time) {
    Device& device = devices_[Index(d)];
    if (!device.order.empty()) device.waited += std::max(0.0, ready - device.now);
    device.now = std::max(device.now, ready) + time.value();
    device.order.push_back(op);
    return device.now;
  }

  const ScheduleProblem& problem_;
  WaveChoices choices_;
  double limit_;
  std::vector<Device> devices_;
  std::vector<double> forward_end_;   ///< [device, microbatch]
  std::vector<double> backward_end_;  ///< the same
};

}  // namespace

std::vector<DeviceOrder> WaveOrders(const ScheduleProblem& problem, const WaveChoices& choices, double limit) {
  return Waves(problem, choices, limit).Run();
}

}  // namespace dflop
