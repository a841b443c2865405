// zb-h1, zb-h2: 1f1b whose backward is two, the half that the device before waits for at once, the weights' half where
// devices would wait otherwise.
//
// Zero Bubble: Qi et al., ICLR 2024 (arXiv 2401.10241, section 2). Device r begins with a number of forwards, then runs
// in turn one input gradient, one weight gradient while more than a number of them wait, and one forward:
//   ZB-H1  p − r forwards, r weight gradients waiting: 1f1b's memory, idle (p−1)(f + b − w)
//   ZB-H2  2(p − r) − 1 forwards, 2r waiting: 2p − 1 microbatches held, idle (p−1)(f + b − 2w) from a device's own
//   first
//          operation to its own last one
// A test holds both against table 5 of the paper.
#include <algorithm>

#include "base/index.hpp"
#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"

namespace dflop {
namespace {

/// What device `position` of `depth` does.
struct ZeroBubbleRule {
  int forwards;  ///< before its first backward
  int waiting;   ///< weight gradients that may wait
};
ZeroBubbleRule RuleOfH1(int depth, int position) { return {depth - position, position}; }
ZeroBubbleRule RuleOfH2(int depth, int position) { return {2 * (depth - position) - 1, 2 * position}; }

class ZeroBubble final : public PipelineSchedule {
 public:
  using Rule = ZeroBubbleRule (*)(int depth, int position);
  explicit ZeroBubble(Rule rule) : rule_(rule) {}

  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    std::vector<DeviceOrder> orders;
    orders.reserve(Index(problem.devices));
    for (int device = 0; device < problem.devices; ++device) {
      orders.push_back(Order(rule_(problem.devices, device), problem.microbatches));
    }
    return orders;
  }

 private:
  static DeviceOrder Order(ZeroBubbleRule rule, int microbatches) {
    DeviceOrder order;
    int forwards = 0, weights = 0;
    const auto forward = [&] {
      if (forwards < microbatches) order.push_back({OpKind::kForward, forwards++});
    };
    while (forwards < std::min(rule.forwards, microbatches)) forward();
    for (int k = 0; k < microbatches; ++k) {
      order.push_back({OpKind::kBackwardInput, k});
      if (k + 1 - weights > rule.waiting) order.push_back({OpKind::kBackwardWeight, weights++});
      forward();
    }
    while (weights < microbatches) order.push_back({OpKind::kBackwardWeight, weights++});
    return order;
  }

  Rule rule_;
};

const Registration<PipelineSchedule> kZeroBubbleH1{
    {"zb-h1", "1f1b with the weights' half of the backward in its bubble, same memory (arXiv 2401.10241)", {}},
    [](const Parameters&) { return std::make_unique<ZeroBubble>(RuleOfH1); }};
const Registration<PipelineSchedule> kZeroBubbleH2{
    {"zb-h2", "no bubble but its skew, for twice the activations (arXiv 2401.10241)", {}},
    [](const Parameters&) { return std::make_unique<ZeroBubble>(RuleOfH2); }};

}  // namespace
}  // namespace dflop
