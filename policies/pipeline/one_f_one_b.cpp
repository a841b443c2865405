// 1f1b: after a warm-up of as many forwards as there are later stages, one forward and one backward in turn.
//
// PipeDream-Flush: Narayanan et al., ICML 2021 (arXiv 2006.09503); as in Megatron-LM. Idle time with equal costs
// (p−1)(f+b); at most p−r microbatches' activations wait on rank r.
#include <algorithm>

#include "base/index.hpp"
#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"

namespace dflop {
namespace {

class OneFOneB final : public PipelineSchedule {
 public:
  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    std::vector<DeviceOrder> orders;
    orders.reserve(Index(problem.devices));
    for (int device = 0; device < problem.devices; ++device) {
      orders.push_back(Order(problem.devices - 1 - device, problem.microbatches));
    }
    return orders;
  }

 private:
  static DeviceOrder Order(int later_devices, int microbatches) {
    const int warm_up = std::min(later_devices, microbatches);
    DeviceOrder order;
    for (int k = 0; k < warm_up; ++k) order.push_back({OpKind::kForward, k});
    for (int k = 0; k < microbatches; ++k) {
      if (k + warm_up < microbatches) order.push_back({OpKind::kForward, k + warm_up});
      order.push_back({OpKind::kBackward, k});
    }
    return order;
  }
};

const Registration<PipelineSchedule> kOneFOneB{
    {"1f1b", "one forward, one backward with a flush (PipeDream-Flush, arXiv 2006.09503)", {}},
    [](const Parameters&) { return std::make_unique<OneFOneB>(); }};

}  // namespace
}  // namespace dflop
