// The trace of a step as a viewer reads it: rules of the Chrome trace format, and every figure that an event promises.
#include "sim/measure/chrome_trace.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/sim/plan_support.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

struct Slice {
  double begin = 0;
  double end = 0;
};
using Thread = std::pair<std::int64_t, std::int64_t>;  // process, thread

class ChromeTraceOf : public testing::TestWithParam<Communicator> {
 protected:
  void SetUp() override {
    const CostModel cost = SmallJob(2);
    const Layout layout =
        BuildLayout(SeparateDegrees{{{1, 1, 4}}, {2, 2, 3}, 5, GetParam()}, cost.model(), cost.cluster());
    const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
    const auto batch = UnevenSamples(40, 3);
    RandomStream random(3, "batch");
    plan_ = Plugin<BatchScheduler>("random")->Schedule(MakeBatchProblem(cost, layout, batch), random);
    const Step step = SimulateStep({cost, layout, orders}, plan_, batch, *MakeReplayEngine());
    const TemporaryFolder folder;
    const std::string path = folder.path() + "/trace.json";
    WriteChromeTrace(path, cost, layout, plan_, step, std::vector<bool>(layout.groups.size(), true));
    trace_ = ReadJsonFile(path);
    for (const Json& event : trace_.find("traceEvents")->as<Json::Array>()) {
      if (Phase(event) == "X") slices_[ThreadOf(event)].push_back({Time(event), Time(event) + Number(event, "dur")});
    }
  }

  static std::string Phase(const Json& event) { return event.find("ph")->as<std::string>(); }
  static double Number(const Json& event, const char* key) { return event.find(key)->number(); }
  static double Time(const Json& event) { return Number(event, "ts"); }
  static Thread ThreadOf(const Json& event) {
    return {static_cast<std::int64_t>(Number(event, "pid")), static_cast<std::int64_t>(Number(event, "tid"))};
  }
  const Json::Array& Events() const { return trace_.find("traceEvents")->as<Json::Array>(); }

  BatchPlan plan_;
  Json trace_;
  std::map<Thread, std::vector<Slice>> slices_;
};

TEST_P(ChromeTraceOf, SlicesOfOneThreadNeverOverlap) {
  constexpr double kRounding = 1e-6;  // µs
  for (auto& [thread, slices] : slices_) {
    std::sort(slices.begin(), slices.end(), [](const Slice& a, const Slice& b) { return a.begin < b.begin; });
    for (std::size_t i = 1; i < slices.size(); ++i) {
      EXPECT_GE(slices[i].begin, slices[i - 1].end - kRounding) << "thread " << thread.second;
    }
  }
}

TEST_P(ChromeTraceOf, EveryArrowHasTwoEndsAndBothLieInASlice) {
  std::map<double, std::pair<int, int>> ends;  // id → starts, finishes
  for (const Json& event : Events()) {
    if (Phase(event) != "s" && Phase(event) != "f") continue;
    ++(Phase(event) == "s" ? ends[Number(event, "id")].first : ends[Number(event, "id")].second);
    const auto& slices = slices_[ThreadOf(event)];
    EXPECT_TRUE(std::any_of(slices.begin(), slices.end(), [&](const Slice& slice) {
      return slice.begin <= Time(event) && Time(event) < slice.end;
    })) << event.Dump();
  }
  EXPECT_FALSE(ends.empty());
  for (const auto& [id, count] : ends) EXPECT_EQ(count, std::make_pair(1, 1)) << "arrow " << id;
}

TEST_P(ChromeTraceOf, EverySliceSaysWhatItCostsByWhichSourceAndWhichSamplesItHolds) {
  for (const Json& event : Events()) {
    if (Phase(event) != "X") continue;
    const Json& arguments = *event.find("args");
    EXPECT_NE(arguments.find("predicted_s"), nullptr) << event.Dump();
    EXPECT_NE(arguments.find("cost_source"), nullptr) << event.Dump();
    const std::string kind = event.find("cat")->as<std::string>();
    if (kind != "forward" && kind != "backward") continue;
    EXPECT_NE(arguments.find("tokens"), nullptr) << event.Dump();
    const auto microbatch = static_cast<std::size_t>(Number(arguments, "microbatch"));
    std::set<double> samples;
    for (const Json& sample : arguments.find("samples")->as<Json::Array>()) samples.insert(sample.number());
    // 40 samples in 3 × 5 buckets; the four encoder GPUs come first, each has a share of all three replicas' buckets.
    std::set<double> wanted;
    const auto group = static_cast<std::size_t>(Number(event, "tid"));
    for (std::size_t replica = 0; replica < 3; ++replica) {
      const auto& bucket = plan_.buckets[replica][microbatch];
      if (group < 4 || samples.contains(bucket.front())) wanted.insert(bucket.begin(), bucket.end());
    }
    EXPECT_EQ(samples, wanted) << event.Dump();
  }
}

INSTANTIATE_TEST_SUITE_P(Communicators, ChromeTraceOf, testing::Values(Communicator::kHub, Communicator::kDirect));

}  // namespace
}  // namespace dflop
