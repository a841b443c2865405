// seq1f1b: 1f1b over parts of every microbatch's sequence.
//
// Ao et al., Seq1F1B (arXiv 2406.03488): a sequence is cut in k splits. Device r of p begins with p − r − 2 + k
// forwards of splits, then runs one forward and one backward in turn; backwards of a microbatch come from its last
// split, which attended to all before it. Where splits take equally long, idle time is (p − 1)(f + b)/k, and
// (p − 1 + k)/k microbatches' activations wait on the first device. One split is 1f1b.
#include <algorithm>
#include <cstdint>

#include "base/index.hpp"
#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"

namespace dflop {
namespace {

constexpr int kMostSplits = 1024;

class SeqOneFOneB final : public PipelineSchedule {
 public:
  explicit SeqOneFOneB(int splits) : splits_(splits) {}

  int splits() const override { return splits_; }

  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    std::vector<DeviceOrder> orders;
    orders.reserve(Index(problem.devices));
    for (int device = 0; device < problem.devices; ++device) {
      orders.push_back(Order(problem.devices - 2 - device + splits_, problem.units()));
    }
    return orders;
  }

 private:
  DeviceOrder Order(int forwards, int units) const {
    const int warm_up = std::min(forwards, units);
    DeviceOrder order;
    for (int unit = 0; unit < warm_up; ++unit) order.push_back(At(OpKind::kForward, unit));
    for (int unit = 0; unit < units; ++unit) {
      if (unit + warm_up < units) order.push_back(At(OpKind::kForward, unit + warm_up));
      order.push_back(At(OpKind::kBackward, unit));
    }
    return order;
  }

  ScheduledOp At(OpKind kind, int unit) const {
    const int split = unit % splits_;
    return {kind, unit / splits_, 0, kind == OpKind::kForward ? split : splits_ - 1 - split};
  }

  int splits_;
};

const Registration<PipelineSchedule> kSeqOneFOneB{
    {"seq1f1b",
     "1f1b over parts of every microbatch's sequence (arXiv 2406.03488)",
     {{.name = "splits",
       .type = Parameter::Integer{1, kMostSplits},
       .standard = 2,
       .help = "parts of a sequence, each as long as the others"}}},
    [](const Parameters& given) { return std::make_unique<SeqOneFOneB>(static_cast<int>(given.Int("splits"))); }};

}  // namespace
}  // namespace dflop
