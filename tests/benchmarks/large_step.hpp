// The step that benchmarks run: 16 stages × 64 replicas × 64 microbatches on 1,024 A100s, every sample with a length of
// its own.
#pragma once

#include <memory>
#include <vector>

#include "base/random.hpp"
#include "tests/models/model_test_support.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {

inline constexpr int kStages = 16;
inline constexpr int kReplicas = 64;
inline constexpr int kMicrobatches = 64;

struct LargeStep {
  LargeStep() {
    RandomStream random(1, "lengths");
    for (int r = 0; r < kReplicas; ++r) {
      auto& replica = plan.buckets.emplace_back();
      for (int k = 0; k < kMicrobatches; ++k) {
        replica.push_back({static_cast<int>(batch.size())});
        const int tokens = 256 + static_cast<int>(random.Below(4096));
        batch.push_back({{}, tokens, tokens});
      }
    }
    step = SimulateStep(job(), plan, batch, *replay);
  }
  Job job() const { return {cost, layout, orders}; }

  std::unique_ptr<Engine> replay = MakeReplayEngine();
  CostModel cost{
      GptModel(1024, 16, 8, 51200), A100Nodes(kStages* kReplicas / 8), std::make_shared<FakeKernelCosts>(), {}};
  Layout layout =
      BuildLayout(HomogeneousDegrees{1, kStages, kReplicas, 0, kMicrobatches}, cost.model(), cost.cluster());
  std::vector<DeviceOrder> orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  BatchPlan plan;
  std::vector<SampleShape> batch;
  Step step;
};

}  // namespace dflop
