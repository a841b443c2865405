// chimera: two pipelines over the same devices in opposite directions, either of which fills the other's bubble.
//
// Li and Hoefler, SC 2021 (arXiv 2107.06925, section 3.2), with one pipeline each way: device d of D holds stage d on
// the way down and stage D − 1 − d on the way up, so two copies of the weights, whose gradients are summed. D
// microbatches are a unit, half of them either way; in slots of equal forwards and backwards, stage s runs the i-th of
// a direction
//   forward  s + 2i        backward  2D − 1 − s + 2i
// no two on a device in one slot, for D is even. More microbatches are units one behind the other ("direct
// concatenation"), 2D slots apart. The order of the slots is the schedule: operations begin as soon as they can. Idle
// for N microbatches where a forward takes as long as a backward: D − 2 of 2N + D − 2 slots; D/2 + 1 to D microbatches'
// activations wait on a device.
#include <map>
#include <string>

#include "base/index.hpp"
#include "policies/api/infeasible.hpp"
#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"
#include "policies/api/v_placement.hpp"

namespace dflop {
namespace {

class Chimera final : public PipelineSchedule {
 public:
  int chunks() const override { return 2; }
  int directions() const override { return 2; }
  Placement placement(int devices) const override { return InV(devices); }

  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    CheckShape(problem.devices, problem.microbatches);
    std::vector<DeviceOrder> orders;
    orders.reserve(Index(problem.devices));
    for (int device = 0; device < problem.devices; ++device) {
      orders.push_back(Order(problem.devices, device, problem.microbatches));
    }
    return orders;
  }

 private:
  static void CheckShape(int devices, int microbatches) {
    if (devices % 2 != 0) {
      throw Infeasible("goes both ways over an even number of devices, not " + std::to_string(devices) + "; " +
                       std::to_string(devices + 1) + " would do");
    }
    if (microbatches % devices == 0) return;
    const int nearest = (microbatches + devices / 2) / devices * devices;
    throw Infeasible("wants a multiple of its " + std::to_string(devices) + " devices in microbatches, not " +
                     std::to_string(microbatches) + "; " + std::to_string(nearest > 0 ? nearest : devices) +
                     " would do");
  }

  static DeviceOrder Order(int devices, int device, int microbatches) {
    std::map<int, ScheduledOp> slots;
    for (int k = 0; k < microbatches; ++k) {
      const int chunk = k % 2;  // 0 down, 1 up
      const int stage = chunk == 0 ? device : devices - 1 - device;
      const int unit = k / devices, in_unit = k % devices / 2;
      const int begin = 2 * devices * unit + 2 * in_unit;
      slots[begin + stage] = {OpKind::kForward, k, chunk};
      slots[begin + 2 * devices - 1 - stage] = {OpKind::kBackward, k, chunk};
    }
    DeviceOrder order;
    for (const auto& [slot, op] : slots) order.push_back(op);
    return order;
  }
};

const Registration<PipelineSchedule> kChimera{
    {"chimera",
     "two pipelines in opposite directions, two copies of the weights; dp and microbatches are of rows of devices "
     "(arXiv 2107.06925)",
     {}},
    [](const Parameters&) { return std::make_unique<Chimera>(); }};

}  // namespace
}  // namespace dflop
