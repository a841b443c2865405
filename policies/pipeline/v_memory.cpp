// v-half, v-min: two chunks a device in a V, at a half and a third of 1f1b's activations.
//
// Qi et al., NeurIPS 2024 (arXiv 2405.15362, section 3): every microbatch repeats one pattern six slots after the one
// before it. On device i of p its forward down, forward up, backward up and backward down stand in the slots
//   V-Min   i      2p − 1 − i     2p + I + i          4p + I − 1 − i     I = 2 where 3 divides p, else 0
//   V-Half  2i     3p − 2 − i     3p + I − 1 + 2i     6p + I − 2 − i     I = 3 where p is even, else 0
// which no two of a device share; weight gradients fill the two slots of six that are left. The order of the slots is
// the schedule: operations begin as soon as they can.
#include <algorithm>
#include <array>
#include <map>
#include <queue>

#include "base/index.hpp"
#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"
#include "policies/api/v_placement.hpp"

namespace dflop {
namespace {

constexpr int kPeriod = 6;

/// Slots of a device's forward down, forward up, backward up and backward down.
using Pattern = std::array<int, 4>;
Pattern MinimalPattern(int p, int i) {
  const int shift = p % 3 == 0 ? 2 : 0;
  return {i, 2 * p - 1 - i, 2 * p + shift + i, 4 * p + shift - 1 - i};
}
Pattern HalfPattern(int p, int i) {
  const int shift = p % 2 == 0 ? 3 : 0;
  return {2 * i, 3 * p - 2 - i, 3 * p + shift - 1 + 2 * i, 6 * p + shift - 2 - i};
}

class VMemory final : public PipelineSchedule {
 public:
  using PatternOf = Pattern (*)(int devices, int device);
  explicit VMemory(PatternOf pattern) : pattern_(pattern) {}

  int chunks() const override { return 2; }
  Placement placement(int devices) const override { return InV(devices); }

  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    std::vector<DeviceOrder> orders;
    orders.reserve(Index(problem.devices));
    for (int device = 0; device < problem.devices; ++device) {
      orders.push_back(Order(pattern_(problem.devices, device), problem.microbatches));
    }
    return orders;
  }

 private:
  static DeviceOrder Order(const Pattern& pattern, int microbatches) {
    constexpr std::array<ScheduledOp, 4> kOps = {{{OpKind::kForward, 0, 0},
                                                  {OpKind::kForward, 0, 1},
                                                  {OpKind::kBackwardInput, 0, 1},
                                                  {OpKind::kBackwardInput, 0, 0}}};
    std::map<int, ScheduledOp> slots;
    for (int k = 0; k < microbatches; ++k) {
      for (std::size_t i = 0; i < kOps.size(); ++i) {
        slots[pattern[i] + kPeriod * k] = {kOps[i].kind, k, kOps[i].chunk};
      }
    }
    return WithWeights(slots);
  }

  /// Weight gradients in the free slots behind their input gradients, the oldest first; the last ones behind all.
  static DeviceOrder WithWeights(const std::map<int, ScheduledOp>& slots) {
    DeviceOrder order;
    std::queue<ScheduledOp> waiting;
    const auto run_one = [&] {
      order.push_back(waiting.front());
      waiting.pop();
    };
    int free = 0;
    for (const auto& [slot, op] : slots) {
      for (; free < slot; ++free) {
        if (!waiting.empty()) run_one();
      }
      free = slot + 1;
      order.push_back(op);
      if (op.kind == OpKind::kBackwardInput) waiting.push({OpKind::kBackwardWeight, op.microbatch, op.chunk});
    }
    while (!waiting.empty()) run_one();
    return order;
  }

  PatternOf pattern_;
};

const Registration<PipelineSchedule> kVHalf{
    {"v-half", "two chunks a device in a V at half of 1f1b's activations (arXiv 2405.15362)", {}},
    [](const Parameters&) { return std::make_unique<VMemory>(HalfPattern); }};
const Registration<PipelineSchedule> kVMin{
    {"v-min", "two chunks a device in a V at a third of 1f1b's activations (arXiv 2405.15362)", {}},
    [](const Parameters&) { return std::make_unique<VMemory>(MinimalPattern); }};

}  // namespace
}  // namespace dflop
