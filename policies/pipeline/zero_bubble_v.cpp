// zb-v: two chunks a device placed in a V, so that a microbatch comes back to the device that it began on, and no
// bubble but the skew within 1f1b's memory.
//
// Qi et al., arXiv 2401.10241, section 6, and arXiv 2405.15362; the order is PyTorch's ScheduleZBVZeroBubble: device r
// runs chunk a (on the way down) and b (on the way up) as written below, for at least 2p − 1 microbatches, those beyond
// the last left out. With f = b = w per chunk every device is busy from its first operation to its last.
#include <algorithm>

#include "base/index.hpp"
#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"
#include "policies/api/v_placement.hpp"

namespace dflop {
namespace {

constexpr int kDown = 0, kUp = 1;

/// Appends the next microbatch of a kind and chunk.
class VOrder {
 public:
  explicit VOrder(int microbatches) : microbatches_(microbatches) {}

  void Forward(int chunk) { Append(OpKind::kForward, chunk, forwards_[Index(chunk)]); }
  void Backward(int chunk) { Append(OpKind::kBackwardInput, chunk, backwards_[Index(chunk)]); }
  void Weights(int chunk) { Append(OpKind::kBackwardWeight, chunk, weights_[Index(chunk)]); }
  int forwards(int chunk) const { return forwards_[Index(chunk)]; }
  bool has_weights(int chunk, int of) const { return weights_[Index(chunk)] < of; }
  const DeviceOrder& order() const { return order_; }

 private:
  void Append(OpKind kind, int chunk, int& next) {
    const int microbatch = next++;
    if (microbatch < microbatches_) order_.push_back({kind, microbatch, chunk});
  }

  int microbatches_;
  int forwards_[2] = {0, 0};
  int backwards_[2] = {0, 0};
  int weights_[2] = {0, 0};
  DeviceOrder order_;
};

class ZeroBubbleV final : public PipelineSchedule {
 public:
  int chunks() const override { return 2; }
  Placement placement(int devices) const override { return InV(devices); }

  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    std::vector<DeviceOrder> orders;
    orders.reserve(Index(problem.devices));
    for (int device = 0; device < problem.devices; ++device) {
      orders.push_back(Order(problem.devices, device, problem.microbatches));
    }
    return orders;
  }

 private:
  static DeviceOrder Order(int depth, int position, int microbatches) {
    const int all = std::max(2 * depth - 1, microbatches);
    const int later = depth - position;
    VOrder order(microbatches);
    for (int i = 0; i < 2 * later - 1; ++i) order.Forward(kDown);
    for (int i = 0; i < position; ++i) order.Forward(kUp), order.Forward(kDown);
    for (int i = 0; i < later; ++i) order.Forward(kUp), order.Backward(kUp), order.Weights(kUp);
    while (order.forwards(kUp) < all) {
      if (order.forwards(kDown) < all) order.Forward(kDown);
      order.Backward(kDown), order.Weights(kDown);
      order.Forward(kUp), order.Backward(kUp), order.Weights(kUp);
    }
    for (int i = 0; i < position; ++i) order.Backward(kDown), order.Backward(kUp);
    for (int i = 0; i < later; ++i) order.Backward(kDown), order.Weights(kDown);
    while (order.has_weights(kUp, all)) order.Weights(kUp);
    while (order.has_weights(kDown, all)) order.Weights(kDown);
    return order.order();
  }
};

const Registration<PipelineSchedule> kZeroBubbleV{
    {"zb-v", "two chunks a device in a V: no bubble but its skew in 1f1b's memory (arXiv 2401.10241)", {}},
    [](const Parameters&) { return std::make_unique<ZeroBubbleV>(); }};

}  // namespace
}  // namespace dflop
