// zb-auto: Zero Bubble's heuristic with a memory limit and costs as they are; ZB-1p with memory 1, ZB-2p with 2.
//
// Qi et al., ICLR 2024 (arXiv 2401.10241, section 3.1; policies/pipeline_search/zero_bubble_waves.hpp). All eight ways
// of the three choices that the heuristic leaves open are drawn up, and the one is kept whose longest span of a device
// (own first operation to own last) is shortest, as the paper counts; or, where optimizers wait for each other, the one
// that ends first. A test holds it against table 5 of the paper: ZB-1p 12 of 12 cells, ZB-2p 11 and one 0.0005 above.
#include <algorithm>
#include <optional>

#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"
#include "policies/pipeline_search/schedule_memory.hpp"
#include "policies/pipeline_search/zero_bubble_waves.hpp"

namespace dflop {
namespace {

class ZeroBubbleAuto final : public PipelineSchedule {
 public:
  ZeroBubbleAuto(std::optional<double> memory, bool by_makespan) : memory_(memory), by_makespan_(by_makespan) {}

  bool per_step() const override { return true; }

  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    const double limit = LimitOf(problem, memory_);
    std::vector<DeviceOrder> best;
    Seconds least{0};
    for (const bool memory_only : {false, true}) {
      for (const bool skips : {false, true}) {
        for (const bool greedily : {false, true}) {
          std::vector<DeviceOrder> orders = WaveOrders(problem, {memory_only, skips, greedily}, limit);
          const TimedOrders run = RunOrders(orders, problem, problem.weight_share);
          const Seconds time = by_makespan_ ? run.makespan : run.span;
          if (!best.empty() && time >= least) continue;
          least = time;
          best = std::move(orders);
        }
      }
    }
    return best;
  }

 private:
  std::optional<double> memory_;
  bool by_makespan_;
};

const Registration<PipelineSchedule> kZeroBubbleAuto{
    {"zb-auto",
     "Zero Bubble's heuristic under a memory limit, by predicted times (arXiv 2401.10241): ZB-1p, ZB-2p",
     {MemoryParameter(),
      {.name = "shortest",
       .type = Parameter::Word{{"span", "makespan"}},
       .standard = "span",
       .help = "of eight drafts kept: a device's own span, or the whole, where optimizers wait for each other"}}},
    [](const Parameters& given) {
      return std::make_unique<ZeroBubbleAuto>(MemoryOf(given), given.Word("shortest") == "makespan");
    }};

}  // namespace
}  // namespace dflop
