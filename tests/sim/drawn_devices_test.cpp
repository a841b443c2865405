// Claims on what a sample of a large step shows: the replicas that tell what happened, whole, and no more than a viewer
// carries; each is found here by looking at all operations.
#include "sim/measure/drawn_devices.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "experiments/results/picture.hpp"
#include "sim/measure/chrome_trace.hpp"
#include "sim/measure/timeline.hpp"
#include "tests/sim/plan_support.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

constexpr int kReplicas = 64;

/// 64 replicas with two devices each, whose microbatches differ.
class DrawnDevices : public testing::Test {
 protected:
  DrawnDevices() : DrawnDevices(HomogeneousDegrees{1, 2, kReplicas, 1, 4}) {}
  template <typename Degrees>
  explicit DrawnDevices(const Degrees& degrees)
      : cost_(SmallJob(16)),
        layout_(BuildLayout(degrees, cost_.model(), cost_.cluster())),
        orders_(OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout_)),
        batch_(UnevenSamples(512, 5)) {
    RandomStream random(5, "batch");
    plan_ = Plugin<BatchScheduler>("random")->Schedule(MakeBatchProblem(cost_, layout_, batch_), random);
    step_ = SimulateStep(job(), plan_, batch_, *MakeReplayEngine());
  }

  Job job() const { return {cost_, layout_, orders_}; }
  std::vector<bool> Sample() const { return DrawnGroups(job(), step_, TraceDetail::kSample); }

  /// By replica of the LLM: when its last microbatch ends.
  std::map<int, Seconds> Ends() const {
    std::map<int, Seconds> ends;
    for (std::size_t i = 0; i < step_.graph.operations.size(); ++i) {
      const Operation& operation = step_.graph.operations[i];
      if (operation.microbatch < 0 || ComputingGroup(step_.graph, operation) < 0) continue;
      const Stage& stage = layout_.stages[Index(operation.stage)];
      if (layout_.feeds(stage.parts.front().module)) continue;
      Seconds& end = ends[stage.replica];
      end = std::max(end, step_.times.end[i]);
    }
    return ends;
  }

  /// Replicas of the LLM that are drawn; each must be so whole.
  std::set<int> DrawnReplicas(const std::vector<bool>& drawn) const {
    std::map<int, std::set<bool>> states;
    for (const Stage& stage : layout_.stages) {
      if (!layout_.feeds(stage.parts.front().module)) states[stage.replica].insert(drawn[Index(stage.group)]);
    }
    std::set<int> replicas;
    for (const auto& [replica, state] : states) {
      EXPECT_EQ(state.size(), 1u) << "replica " << replica << " is cut";
      if (state.contains(true)) replicas.insert(replica);
    }
    return replicas;
  }

  CostModel cost_;
  Layout layout_;
  std::vector<DeviceOrder> orders_;
  std::vector<SampleShape> batch_;
  BatchPlan plan_;
  Step step_;
};

TEST_F(DrawnDevices, ASampleHoldsTheExtremesAndTheFirstWholeAndFits) {
  const std::vector<bool> drawn = Sample();
  ASSERT_EQ(drawn.size(), 2u * kReplicas);
  EXPECT_LE(static_cast<std::size_t>(std::count(drawn.begin(), drawn.end(), true)), kMostDrawnGroups);
  const auto ends = Ends();
  const auto by_end = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto [first, last] = std::minmax_element(ends.begin(), ends.end(), by_end);
  ASSERT_LT(first->second, last->second);
  const std::set<int> replicas = DrawnReplicas(drawn);
  EXPECT_TRUE(replicas.contains(first->first));
  EXPECT_TRUE(replicas.contains(last->first));
  EXPECT_TRUE(replicas.contains(0));
}

TEST_F(DrawnDevices, TheReplicaThatTheStepWaitsForIsDrawn) {
  // One replica's work takes twenty times as long: everybody waits for it.
  for (const int slow : {17, 40}) {
    const auto disturb = [&](const StepWork&, StepCosts& costs) {
      for (std::size_t s = 0; s < layout_.stages.size(); ++s) {
        if (layout_.stages[s].replica != slow) continue;
        for (PartCost& cost : costs.stages[s]) {
          cost.forward.time = cost.forward.time * 20;
          cost.backward.time = cost.backward.time * 20;
        }
      }
    };
    step_ = SimulateStep(job(), plan_, batch_, *MakeReplayEngine(), {.disturb = disturb});
    EXPECT_TRUE(DrawnReplicas(Sample()).contains(slow)) << slow;
  }
}

TEST_F(DrawnDevices, WhatTellsTheStepIsDrawnEvenWhereItIsTooMuch) {
  // Three places hold no two replicas of two devices; the one that is waited for and the first are drawn all the same.
  const std::vector<bool> drawn = DrawnGroups(job(), step_, TraceDetail::kSample, 3);
  const auto ends = Ends();
  const auto last =
      std::max_element(ends.begin(), ends.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  EXPECT_EQ(DrawnReplicas(drawn), (std::set<int>{0, last->first}));
}

TEST_F(DrawnDevices, FullDrawsAllAndNoneNothing) {
  const auto full = DrawnGroups(job(), step_, TraceDetail::kFull);
  EXPECT_EQ(std::count(full.begin(), full.end(), true), 2 * kReplicas);
  const auto none = DrawnGroups(job(), step_, TraceDetail::kNone);
  EXPECT_EQ(std::count(none.begin(), none.end(), true), 0);
}

TEST_F(DrawnDevices, FilesHoldWhatIsDrawnAndSayOfHowMuch) {
  const TemporaryFolder folder;
  const std::vector<bool> drawn = Sample();
  const Timeline timeline = MakeTimeline(step_.graph, step_.times);
  WriteTimeline(folder / "sample.json", timeline, layout_, cost_.model(), drawn, Json::EmptyObject());
  WriteTimeline(folder / "full.json", timeline, layout_, cost_.model(), std::vector<bool>(drawn.size(), true),
                Json::EmptyObject());
  const StepPicture sample = ReadPicture(folder / "sample.json");
  const StepPicture full = ReadPicture(folder / "full.json");
  EXPECT_EQ(sample.stages.size(), static_cast<std::size_t>(std::count(drawn.begin(), drawn.end(), true)));
  EXPECT_EQ(sample.device_groups, drawn.size());
  EXPECT_EQ(full.device_groups, drawn.size());
  const auto expected = std::count_if(full.events.begin(), full.events.end(), [&](const PictureEvent& event) {
    return drawn[Index(full.stages[Index(event.stage)].group)];
  });
  EXPECT_EQ(static_cast<std::ptrdiff_t>(sample.events.size()), expected);
  const auto loads = BucketLoads(full, Side::kLlm);
  for (const auto& [replica, of_replica] : BucketLoads(sample, Side::kLlm)) EXPECT_EQ(of_replica, loads.at(replica));

  WriteChromeTrace(folder / "trace.json", cost_, layout_, plan_, step_, drawn);
  std::set<std::int64_t> devices;
  const Json trace = ReadJsonFile(folder / "trace.json");
  for (const Json& event : trace.find("traceEvents")->as<Json::Array>()) {
    if (event.find("ph")->as<std::string>() == "C") devices.insert(event.find("tid")->as<std::int64_t>());
  }
  EXPECT_EQ(devices.size(), sample.stages.size());
}

class DrawnEncoders : public DrawnDevices {
 protected:
  DrawnEncoders() : DrawnDevices(SeparateDegrees{{{1, 1, 48}}, {1, 1, 64}, 4, Communicator::kDirect}) {}
};

TEST_F(DrawnEncoders, BothSidesAreInTheSample) {
  const std::vector<bool> drawn = Sample();
  EXPECT_LE(static_cast<std::size_t>(std::count(drawn.begin(), drawn.end(), true)), kMostDrawnGroups);
  std::set<bool> sides;
  for (const Stage& stage : layout_.stages) {
    if (drawn[Index(stage.group)]) sides.insert(layout_.feeds(stage.parts.front().module));
  }
  EXPECT_EQ(sides.size(), 2u);
}

TEST_F(DrawnEncoders, BothSidesAreInTheSmallestSample) {
  const std::vector<bool> drawn = DrawnGroups(job(), step_, TraceDetail::kSample, 1);
  std::set<bool> sides;
  for (const Stage& stage : layout_.stages) {
    if (drawn[Index(stage.group)]) sides.insert(layout_.feeds(stage.parts.front().module));
  }
  EXPECT_EQ(sides.size(), 2u);
  EXPECT_LE(std::count(drawn.begin(), drawn.end(), true), 3);
}

}  // namespace
}  // namespace dflop
