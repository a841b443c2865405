// interleaved: every device holds several chunks of layers and runs one forward, one backward over all of them in turn.
//
// Narayanan et al., SC 2021 (arXiv 2104.04473, section 2.2), in the order of Megatron-Core: forwards go in groups of as
// many microbatches as there are devices, chunk by chunk, backwards likewise from the last chunk; the warm-up of rank r
// is 2(p−1−r) + (v−1)p forwards. Idle time with equal costs (p−1)(f+b)/v, and v times the messages.
#include <algorithm>
#include <string>

#include "base/index.hpp"
#include "policies/api/infeasible.hpp"
#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"

namespace dflop {
namespace {

class Interleaved final : public PipelineSchedule {
 public:
  explicit Interleaved(int chunks) : chunks_(chunks) {}

  int chunks() const override { return chunks_; }

  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    if (problem.microbatches % problem.devices != 0) {
      throw Infeasible("interleaving wants a multiple of the " + std::to_string(problem.devices) +
                       " devices in a pipeline, not " + std::to_string(problem.microbatches) + " microbatches");
    }
    std::vector<DeviceOrder> orders;
    orders.reserve(Index(problem.devices));
    for (int device = 0; device < problem.devices; ++device) {
      orders.push_back(Order(problem.devices, device, problem.microbatches));
    }
    return orders;
  }

 private:
  DeviceOrder Order(int depth, int position, int microbatches) const {
    const int all = microbatches * chunks_;
    const int warm_up = std::min(all, 2 * (depth - 1 - position) + (chunks_ - 1) * depth);
    DeviceOrder order;
    for (int n = 0; n < warm_up; ++n) order.push_back(Nth(OpKind::kForward, n, depth));
    for (int n = 0; n < all; ++n) {
      if (n + warm_up < all) order.push_back(Nth(OpKind::kForward, n + warm_up, depth));
      order.push_back(Nth(OpKind::kBackward, n, depth));
    }
    return order;
  }

  ScheduledOp Nth(OpKind kind, int n, int depth) const {
    const int round = n / (depth * chunks_);
    const int chunk = n / depth % chunks_;
    return {kind, round * depth + n % depth, kind == OpKind::kForward ? chunk : chunks_ - 1 - chunk};
  }

  int chunks_;
};

const Registration<PipelineSchedule> kInterleaved{
    {"interleaved",
     "1f1b over several chunks of layers per device (Megatron-LM, arXiv 2104.04473)",
     {{.name = "chunks", .type = Parameter::Integer{2, 128}, .standard = 2, .help = "chunks of layers on a device"}}},
    [](const Parameters& parameters) {
      return std::make_unique<Interleaved>(static_cast<int>(parameters.Int("chunks")));
    }};

}  // namespace
}  // namespace dflop
