// gpipe: all forwards, then all backwards.
//
// Huang et al., "GPipe", NeurIPS 2019. Idle time with equal costs (p−1)(f+b), like 1F1B, but every microbatch's
// activations wait at once.
#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"

namespace dflop {
namespace {

class GPipe final : public PipelineSchedule {
 public:
  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    DeviceOrder order;
    for (const OpKind kind : {OpKind::kForward, OpKind::kBackward}) {
      for (int k = 0; k < problem.microbatches; ++k) order.push_back({kind, k});
    }
    return std::vector<DeviceOrder>(Index(problem.devices), order);
  }
};

const Registration<PipelineSchedule> kGPipe{
    {"gpipe", "all forwards, then all backwards (Huang et al., NeurIPS 2019)", {}},
    [](const Parameters&) { return std::make_unique<GPipe>(); }};

}  // namespace
}  // namespace dflop
