// eager-1f1b: 1F1B in which every device runs some forwards more before its first backward, more of them the earlier it
// stands.
//
// Plain 1F1B (arXiv 2006.09503) warms up with one forward per later device, so that a backward comes back just in time
// if nothing is late. With one more per later device, 2·(p−1−r) on rank r, every boundary has a microbatch of slack:
// for messages (eager 1F1B, arXiv 2211.05322), and for what the LLM runs a microbatch later than it was encoded in
// (batching `entrain`), for which the encoder's backward waits too: Entrain's eager forwards (arXiv 2605.27918). The
// price are as many microbatches' activations.
//
// Guessed, for Entrain's text leaves it open: how far ahead, on which devices, and that backwards are whole.
#include <algorithm>

#include "base/index.hpp"
#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"

namespace dflop {
namespace {

constexpr int kMostAhead = 1024;

class EagerOneFOneB final : public PipelineSchedule {
 public:
  explicit EagerOneFOneB(int ahead) : ahead_(ahead) {}

  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    std::vector<DeviceOrder> orders;
    orders.reserve(Index(problem.devices));
    for (int device = 0; device < problem.devices; ++device) {
      const std::int64_t forwards = std::int64_t{problem.devices - 1 - device} * (1 + ahead_);
      const auto warm_up = static_cast<int>(std::min<std::int64_t>(forwards, problem.microbatches));
      orders.push_back(WithWarmUp(warm_up, problem.microbatches));
    }
    return orders;
  }

 private:
  static DeviceOrder WithWarmUp(int forwards, int microbatches) {
    DeviceOrder order;
    for (int k = 0; k < forwards; ++k) order.push_back({OpKind::kForward, k});
    for (int k = 0; k < microbatches; ++k) {
      if (k + forwards < microbatches) order.push_back({OpKind::kForward, k + forwards});
      order.push_back({OpKind::kBackward, k});
    }
    return order;
  }

  int ahead_;
};

const Registration<PipelineSchedule> kEagerOneFOneB{
    {"eager-1f1b",
     "1F1B with more forwards ahead, a microbatch of slack at every boundary (arXiv 2211.05322; Entrain's eager "
     "forwards)",
     {{.name = "ahead",
       .type = Parameter::Integer{0, kMostAhead},
       .standard = 1,
       .unit = "microbatches",
       .help = "per later device, beyond 1F1B's one"}}},
    [](const Parameters& given) { return std::make_unique<EagerOneFOneB>(static_cast<int>(given.Int("ahead"))); }};

}  // namespace
}  // namespace dflop
