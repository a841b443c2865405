// Layouts on GPUs that an experiment names: the default list changes nothing, another one moves messages and rings to
// other links by times derived by hand, and lists that cannot be say which element and why.
#include "sim/plan/given_gpus.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "base/index.hpp"
#include "sim/build/replica_classes.hpp"
#include "sim/measure/timeline_hash.hpp"
#include "sim/plan/decision_hash.hpp"
#include "tests/input_error.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

/// Every GEMM takes a second, nothing else any.
class SecondsKernels final : public KernelCosts {
 public:
  KernelCost Gemm(double, double, double, Pass) const override { return {Seconds(1), false}; }
  KernelCost Attention(const AttentionShape&, Pass) const override { return {Seconds(0), false}; }
  KernelCost MemoryBound(Bytes) const override { return {Seconds(0), false}; }
  const GpuSpec& gpu() const override { return gpu_; }
  std::string description() const override { return "seconds"; }
  Json error_band() const override { return Json::EmptyObject(); }

 private:
  GpuSpec gpu_;
};

/// Two GPUs with a NIC each; NVLink 1024 bytes/s, NICs 512, no latency.
ClusterSpec PairsOfGpus(int nodes) {
  NodeSpec node;
  node.gpus = 2;
  node.nics = 2;
  node.intra_bandwidth = BytesPerSecond(1024);
  node.nic_bandwidth = BytesPerSecond(512);
  return {"pairs", "", {{.count = nodes, .node = node}}};
}

/// Two layers, hidden width 16.
ModelSpec TwoLayerGpt() {
  ModelSpec model;
  model.llm.name = "llm";
  model.llm.shape = {16, 64, 2, 2, 2, false};
  model.llm.vocab = 256;
  return model;
}

LayoutDecision PlanFixed(const CostModel& cost, const std::string& json, int batch) {
  const std::vector<SampleShape> samples = UnevenSamples(batch, 3);
  const auto batcher = Plugin<BatchScheduler>("random");
  const auto schedule = Plugin<PipelineSchedule>("1f1b");
  return Plugin<LayoutPlanner>(json)->Plan({cost, batch, samples, *batcher, *schedule, 1});
}

std::string ListJson(const std::vector<int>& gpus) {
  std::string text;
  for (const int gpu : gpus) text += (text.empty() ? "[" : ", ") + std::to_string(gpu);
  return text + "]";
}

struct GivenRun {
  Seconds makespan{0};
  std::string timeline;
  std::string decision;
};

GivenRun RunOnce(const CostModel& cost, const Layout& layout, const std::string& engine) {
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  const std::vector<SampleShape> batch = UnevenSamples(2 * layout.llm_replicas() * layout.microbatches, 3);
  RandomStream random(3, "deal");
  const BatchPlan plan = Plugin<BatchScheduler>("random")->Schedule(MakeBatchProblem(cost, layout, batch), random);
  const Step step =
      SimulateStep({cost, layout, orders}, plan, batch, *MakeEngine(engine, cost.cluster()), {.fold = true});
  TimelineHash timeline(layout);
  timeline.AddStep(step.graph, step.times);
  DecisionHash decision(layout, orders);
  decision.AddStep(plan);
  return {step.times.makespan, timeline.Hex(), decision.Hex()};
}

TEST(GivenGpus, TheListOfTheDefaultIsTheDefaultToTheLastBit) {
  const CostModel cost = SmallJob(2);
  const std::vector<std::pair<int, std::string>> layouts = {
      {16, R"("uniform": {"tp": 2, "pp": 2, "dp": 4}, "microbatches": 2)"},
      {12, R"("encoders": {"vision": {"tp": 1, "pp": 1, "dp": 4}}, "llm": {"tp": 2, "pp": 2, "dp": 2},
              "microbatches": 4)"}};
  for (const auto& [gpus, layout] : layouts) {
    std::vector<int> all(Index(gpus));
    std::iota(all.begin(), all.end(), 0);
    const Layout usual = PlanFixed(cost, R"({"name": "fixed", )" + layout + "}", 32).layout;
    const Layout given =
        PlanFixed(cost, R"({"name": "fixed", )" + layout + R"(, "order": )" + ListJson(all) + "}", 32).layout;
    EXPECT_EQ(ToJson(given), ToJson(usual));
    for (const std::string& engine : EngineNames()) {
      const GivenRun a = RunOnce(cost, usual, engine);
      const GivenRun b = RunOnce(cost, given, engine);
      EXPECT_EQ(a.makespan, b.makespan) << engine;
      EXPECT_EQ(a.timeline, b.timeline) << engine;
      EXPECT_EQ(a.decision, b.decision) << engine;
    }
  }
}

// Two replicas of two stages on two nodes of two GPUs. By default a stage's replicas share a node: messages of 256
// bytes (8 tokens of 16 values) take 256/512 = 0.5 s over NICs, and the ring of two, which sends 2·(2 − 1)/2 of the
// gradients, goes over NVLink. On GPUs 0, 2, 1, 3 a replica's stages share a node: 0.25 s a message, and rings over
// NICs.
//
// A layer has four GEMMs, forward, for the gradients of its input and of its weights, the head one more. Stage 0: 4 s
// forward, 8 backward, stage 1 5 and 10. With messages of m, stage 1 goes forward at 4 + m to 9 + m, backward to 19 +
// m, and so to 24 + m and 34 + m; stage 0 ends its second backward at 42 + 2m. Then the gradients are reduced.
TEST(GivenGpus, ExchangingNodesMovesRingsToNicsAndMessagesToNvLink) {
  const CostModel cost(TwoLayerGpt(), PairsOfGpus(2), std::make_shared<SecondsKernels>(), SoftwareStack{});
  const Layout usual =
      BuildLayout(HomogeneousDegrees{.pp = 2, .dp = 2, .microbatches = 2, .order = PlacementOrder::kGiven},
                  cost.model(), cost.cluster());
  const std::vector<int> gpus = {0, 2, 1, 3};
  ASSERT_EQ(FindFault(usual, gpus, cost.cluster()).what, "");
  const Layout given = OnGpus(usual, gpus);
  const auto expected = [&](double message_s, double ring_bytes_per_s) {
    const auto gradients = [&](std::size_t stage) {
      return cost.GradientBytes(usual.stages[stage].parts.front()).value() / ring_bytes_per_s;
    };
    return std::max(42 + 2 * message_s + gradients(0), 34 + message_s + gradients(1));
  };
  const std::vector<SampleShape> batch(4, SampleShape{{}, 8, 8});
  for (const std::string& name : EngineNames()) {
    for (const bool fold : {false, true}) {
      const auto seconds = [&](const Layout& layout) {
        const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
        return SimulateStep({cost, layout, orders}, {{{{0}, {1}}, {{2}, {3}}}}, batch,
                            *MakeEngine(name, cost.cluster()), {.fold = fold})
            .times.makespan.value();
      };
      EXPECT_NEAR(seconds(usual), expected(0.5, 1024), 1e-9) << name;
      EXPECT_NEAR(seconds(given), expected(0.25, 512), 1e-9) << name;
    }
  }
}

TEST(GivenGpus, APlaceThatIsNotTheDefaultIsAnotherDecisionAndKeptInAPlanFile) {
  const CostModel cost = SmallJob(2);
  const std::string degrees = R"({"name": "fixed", "uniform": {"tp": 4, "pp": 1, "dp": 2}, "microbatches": 2)";
  const Layout usual = PlanFixed(cost, degrees + "}", 32).layout;
  const Layout given = PlanFixed(cost, degrees + R"(, "order": [12, 13, 14, 15, 0, 1, 2, 3]})", 32).layout;
  EXPECT_EQ(given.groups, (std::vector<DeviceGroup>{{12, 4}, {0, 4}}));
  EXPECT_NE(RunOnce(cost, given, "replay").decision, RunOnce(cost, usual, "replay").decision);
  const Json json = ToJson(given);
  EXPECT_EQ(ReadLayout(JsonReader(json, "plan.json")).groups, given.groups);
}

// Of encoders on GPUs 0 and 1 and an LLM of tensor parallelism 4 behind them, the default order has a group across
// nodes; a list need not.
TEST(GivenGpus, AListMayPlaceWhatTheDefaultCannot) {
  const CostModel cost = SmallJob(2);
  const std::string degrees = R"({"name": "fixed", "encoders": {"vision": {"tp": 1, "pp": 1, "dp": 2}},
      "llm": {"tp": 4, "pp": 1, "dp": 2}, "microbatches": 2)";
  ExpectError(ErrorOf([&] { PlanFixed(cost, degrees + "}", 32); }), "would cross nodes of 8");
  const Layout layout = PlanFixed(cost, degrees + R"(, "order": [4, 5, 0, 1, 2, 3, 8, 9, 10, 11]})", 32).layout;
  EXPECT_EQ(layout.groups, (std::vector<DeviceGroup>{{4, 1}, {5, 1}, {0, 4}, {8, 4}}));
}

TEST(GivenGpus, EveryMistakeNamesItsElement) {
  const CostModel cost = SmallJob(2);
  const auto error = [&](const std::string& order) {
    return ErrorOf([&] {
      PlanFixed(cost,
                R"({"name": "fixed", "uniform": {"tp": 2, "cp": 2, "pp": 1, "dp": 2}, "microbatches": 2, "order": )" +
                    order + "}",
                32);
    });
  };
  EXPECT_EQ(error("[4, 5, 6, 7, 8, 9, 10, 11]"), "");
  ExpectError(error("[0, 1, 2, 3]"), "/order: ");
  ExpectError(error("[0, 1, 2, 3]"), "names 4 GPUs, the layout uses 8");
  ExpectError(error("[0, 1, 2, 3, 4, 5, 6, 16]"), "/order/7: ");
  ExpectError(error("[0, 1, 2, 3, 4, 5, 6, 16]"), "names GPU 16, the cluster has 16, numbered from 0");
  ExpectError(error("[0, 1, 2, 3, 4, 5, 6, 2]"), "/order/7: ");
  ExpectError(error("[0, 1, 2, 3, 4, 5, 6, 2]"), "names GPU 2, as element 2 does");
  ExpectError(error("[0, 1, 2, 3, 4, 5, 6, -1]"), "/order/7: ");
  ExpectError(error("[0, 1, 2, 3, 7, 8, 9, 10]"), "/order/5: ");
  ExpectError(error("[0, 1, 2, 3, 7, 8, 9, 10]"),
              "puts the tensor-parallel group of replica 1, stage 0 on GPUs 7, 8, across nodes of 8");
  ExpectError(error("[0, 1, 4, 5, 2, 3, 6, 7]"), "/order/2: ");
  ExpectError(error("[0, 1, 4, 5, 2, 3, 6, 7]"),
              "puts the device group of replica 0, stage 0 on GPUs 0, 1, 4, 5; its GPUs follow each other, rising");
  // A group of four fills half of a node; here it lies in two.
  ExpectError(error("[0, 1, 2, 3, 6, 7, 8, 9]"), "/order/4: ");
  ExpectError(error("[0, 1, 2, 3, 6, 7, 8, 9]"),
              "in 2 NVLink domains of 8 where 1 would do; begin no later than at GPU 4 of a domain");
  ExpectError(error("\"pp-tp\""), "tp-cp-ep-dp-pp");
  ExpectError(error("7"), "/order: is neither an order, as \"tp-cp-ep-dp-pp\", nor a list of GPUs");
}

// Four GPUs a node, of which 0 and 2 share a NIC, and 1 and 3. A replica whose two stages share one is no picture of a
// replica whose stages do not.
TEST(GivenGpus, OneReplicaStandsForAnotherWhereBothShareNicsAlike) {
  NodeSpec node = A100Nodes(1).only_node();
  node.gpus = 4;
  node.nics = 2;
  const ClusterSpec cluster("shared", "", {{.count = 2, .node = node}});
  const Layout layout = BuildLayout(
      HomogeneousDegrees{.pp = 2, .dp = 2, .encoder_stages = 1, .order = PlacementOrder::kGiven}, SmallVlm(), cluster);
  const std::vector<ReplicaClass> all_alike = {{{0, 1}}};
  const auto may_fold = [&](const std::vector<int>& gpus) {
    return MayFoldUnderContention(all_alike, cluster, OnGpus(layout, gpus));
  };
  EXPECT_TRUE(may_fold({0, 4, 1, 5}));
  EXPECT_TRUE(may_fold({0, 4, 2, 6}));
  EXPECT_FALSE(may_fold({0, 4, 2, 5}));
}

TEST(GivenGpus, DeviceGroupsAreOfOneKindOfNodes) {
  NodeSpec node = A100Nodes(1).only_node();
  node.gpus = 2;
  node.nics = 2;
  const ClusterSpec cluster("two", "", {{"a", 1, node}, {"b", 2, node}});
  const Layout layout = BuildLayout(HomogeneousDegrees{.order = PlacementOrder::kGiven, .cp = 4}, SmallVlm(), cluster);
  const auto what = [&](const std::vector<int>& gpus) { return FindFault(layout, gpus, cluster).what; };
  EXPECT_EQ(what({2, 3, 4, 5}), "");
  EXPECT_NE(what({1, 2, 3, 4}).find("which are of two kinds of nodes"), std::string::npos) << what({1, 2, 3, 4});
  EXPECT_EQ(what({0, 1, 2, 3}), "");  // as without a list
}

// Groups of six on nodes of eight: in the default order the second, of GPUs 6 to 11, lies in two nodes. It may on any
// other two nodes, but not a group that lies in one by default.
TEST(GivenGpus, GroupsThatNoOrderKeepsInsideNodesMayLieAsFarIntoOthers) {
  const ClusterSpec cluster = A100Nodes(4);
  ModelSpec model = SmallVlm();
  model.encoders.clear();
  const Layout layout =
      BuildLayout(HomogeneousDegrees{.tp = 2, .dp = 2, .order = PlacementOrder::kGiven, .cp = 3}, model, cluster);
  const auto what = [&](int first, int second) {
    std::vector<int> gpus(12);
    std::iota(gpus.begin(), gpus.begin() + 6, first);
    std::iota(gpus.begin() + 6, gpus.end(), second);
    return FindFault(layout, gpus, cluster).what;
  };
  EXPECT_EQ(what(0, 6), "");
  EXPECT_EQ(what(8, 14), "");
  EXPECT_EQ(what(16, 6), "");
  EXPECT_EQ(what(2, 8), "");  // GPUs 2 to 7 fill one node to its end
  EXPECT_NE(what(6, 0).find("begin no later than at GPU 2 of a domain"), std::string::npos) << what(6, 0);
}

}  // namespace
}  // namespace dflop
