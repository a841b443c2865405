// Steps on nodes of several kinds: every stage runs at the speed of its own GPUs, messages at that of the slower end,
// and kinds that differ in nothing but their names change nothing. The kinds of this file are all that it takes: a
// GPU's costs are a class, a cluster is a value.
#include <gtest/gtest.h>

#include <array>

#include "sim/build/collectives.hpp"
#include "sim/build/step_costs.hpp"
#include "sim/measure/metrics.hpp"
#include "sim/measure/timeline_hash.hpp"
#include "sim/step/step_replay.hpp"
#include "tests/models/model_test_support.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

/// Every GEMM takes so many seconds, nothing else any.
class ToyKernels final : public KernelCosts {
 public:
  explicit ToyKernels(double gemm_s) : gemm_s_(gemm_s) {}
  KernelCost Gemm(double, double, double, Pass) const override { return {Seconds(gemm_s_), false}; }
  KernelCost Attention(const AttentionShape&, Pass) const override { return {Seconds(0), false}; }
  KernelCost MemoryBound(Bytes) const override { return {Seconds(0), false}; }
  const GpuSpec& gpu() const override { return gpu_; }
  std::string description() const override { return "toy"; }
  Json error_band() const override { return Json::EmptyObject(); }

 private:
  double gemm_s_;
  GpuSpec gpu_;
};

/// One GPU behind a NIC of so many bytes/s.
NodeSpec LoneGpu(double nic_rate) {
  NodeSpec node;
  node.gpus = 1;
  node.nics = 1;
  node.intra_bandwidth = BytesPerSecond(1);
  node.nic_bandwidth = BytesPerSecond(nic_rate);
  return node;
}

/// Two layers, hidden width 16; samples of 8 tokens.
ModelSpec TinyGpt() { return GptModel(16, 2, 2, 256); }

/// Two stages of a layer each, the first on GPU 0, the second on GPU 1; two microbatches of one sample.
double PipelineSeconds(const CostModel& cost) {
  const Layout layout = BuildLayout(HomogeneousDegrees{.pp = 2, .microbatches = 2}, cost.model(), cost.cluster());
  const std::vector<SampleShape> batch(2, SampleShape{{}, 8, 8});
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  return SimulateStep({cost, layout, orders}, {{{{0}, {1}}}}, batch, *MakeReplayEngine()).times.makespan.value();
}

// A layer has four GEMMs, forward, for the gradients of its input and for those of its weights; the head one more. What
// passes from stage to stage is 8 tokens · 16 values · 2 bytes = 256 bytes.
const auto kOneSecond = std::make_shared<ToyKernels>(1);
const auto kTwoSeconds = std::make_shared<ToyKernels>(2);

TEST(StepsOnNodeKinds, OneKindIsTheYardstick) {
  // Stage 0: forward 4, backward 8. Stage 1: 5 and 10. Messages 256/512 = 0.5 s.
  // Stage 1: forward 4.5–9.5, backward –19.5, forward –24.5, backward –34.5; stage 0 then 35–43.
  const ClusterSpec cluster("one", "", {{"fast", 2, LoneGpu(512)}});
  EXPECT_EQ(PipelineSeconds({TinyGpt(), cluster, kOneSecond, {}}), 43);
}

TEST(StepsOnNodeKinds, ASecondStageOnSlowerGpusHoldsUpTheFirst) {
  // Stage 1 takes twice as long: forward 10, backward 20; messages last as its NIC, 256/256 = 1 s.
  // Stage 1: forward 5–15, backward –35, forward –45, backward –65; stage 0 then 66–74.
  const ClusterSpec cluster("two", "", {{"fast", 1, LoneGpu(512)}, {"slow", 1, LoneGpu(256)}});
  EXPECT_EQ(PipelineSeconds({TinyGpt(), cluster, {kOneSecond, kTwoSeconds}, SoftwareStack{}}), 74);
}

TEST(StepsOnNodeKinds, AFirstStageOnSlowerGpusHoldsUpTheSecond) {
  // Stage 0: forward 0–8 and 8–16. Stage 1: forward 9–14, backward –24, forward –29, backward –39. Stage 0: backward
  // 25–41, and the second, whose gradients are there at 40, –57.
  const ClusterSpec cluster("two", "", {{"slow", 1, LoneGpu(256)}, {"fast", 1, LoneGpu(512)}});
  EXPECT_EQ(PipelineSeconds({TinyGpt(), cluster, {kTwoSeconds, kOneSecond}, SoftwareStack{}}), 57);
}

TEST(StepsOnNodeKinds, ReplicasOfTwoKindsAreNotPricedAsOne) {
  const ClusterSpec cluster("two", "", {{"fast", 1, LoneGpu(512)}, {"slow", 1, LoneGpu(256)}});
  const CostModel cost(TinyGpt(), cluster, {kOneSecond, kTwoSeconds}, SoftwareStack{});
  const Layout layout = BuildLayout(HomogeneousDegrees{.dp = 2}, cost.model(), cluster);
  const std::vector<SampleShape> batch(2, SampleShape{{}, 8, 8});
  const StepCosts costs = PriceStep(cost, layout, DivideWork({{{{0}}, {{1}}}}, layout, cost, batch));
  ASSERT_EQ(costs.stages.size(), 2u);
  EXPECT_EQ(costs.stages[0][0].forward.time.value(), 9);  // two layers and the head
  EXPECT_EQ(costs.stages[1][0].forward.time.value(), 18);
}

TEST(StepsOnNodeKinds, AReplayedStepIsTheSimulatedOneAfterReplicasOfTwoKindsHaveExchanged) {
  NodeSpec node = A100Nodes(1).only_node();
  const ClusterSpec cluster("two", "", {{"fast", 1, node}, {"slow", 1, node}});
  const CostModel cost(SmallVlm(), cluster, {kOneSecond, kTwoSeconds}, SoftwareStack{});
  const Layout layout = BuildLayout(
      HomogeneousDegrees{.tp = 4, .pp = 2, .dp = 2, .encoder_stages = 1, .microbatches = 2}, cost.model(), cluster);
  // As built the stages lie on a node each; here the replicas do.
  Layout apart = layout;
  std::swap(apart.groups[1], apart.groups[2]);
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), apart);
  const std::vector<SampleShape> batch = UnevenSamples(5, 1);
  StepReplay replay(cost, apart, orders, batch, {{{0, 4}, {1}}, {{2}, {3}}});
  const int a = replay.PlaceOf(0, 0);
  const int b = replay.PlaceOf(1, 1);
  const double before = replay.makespan().value();
  replay.Apply({{a, replay.Price(0, replay.At(b)->buckets)}, {b, replay.Price(1, replay.At(a)->buckets)}});
  const auto simulated = [&](const Buckets& buckets) {
    return SimulateStep({cost, apart, orders}, {buckets}, batch, *MakeReplayEngine()).times.makespan.value();
  };
  EXPECT_EQ(before, simulated({{{0, 4}, {1}}, {{2}, {3}}}));
  EXPECT_EQ(replay.makespan().value(), simulated({{{3}, {1}}, {{2}, {0, 4}}}));
}

TEST(StepsOnNodeKinds, MemoryMustSufficeOnEveryDevicesOwnGpu) {
  // Whichever device is the larger one: the other may be the one that does not fit.
  const auto peak_with = [](double first, double second) {
    std::array<NodeSpec, 2> nodes = {LoneGpu(512), LoneGpu(512)};
    nodes[0].gpu.memory = Bytes(first);
    nodes[1].gpu.memory = Bytes(second);
    const ClusterSpec cluster("two", "", {{"a", 1, nodes[0]}, {"b", 1, nodes[1]}});
    const CostModel cost(TinyGpt(), cluster, {kOneSecond, kOneSecond}, SoftwareStack{.workspace_bytes = 0});
    const Layout layout = BuildLayout(HomogeneousDegrees{.pp = 2, .microbatches = 2}, cost.model(), cluster);
    const std::vector<SampleShape> batch(2, SampleShape{{}, 8, 8});
    const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
    return PeakMemory({cost, layout, orders}, DivideWork({{{{0}, {1}}}}, layout, cost, batch));
  };
  const MemoryUse roomy = peak_with(1e12, 1e12);
  EXPECT_TRUE(roomy.fits);
  EXPECT_EQ(roomy.too_large, "");
  for (const int tight : {0, 1}) {
    const MemoryUse use = peak_with(tight == 0 ? 1 : 1e12, tight == 1 ? 1 : 1e12);
    EXPECT_EQ(use.peak, roomy.peak);
    EXPECT_FALSE(use.fits);
    EXPECT_NE(use.too_large.find("stage " + std::to_string(tight)), std::string::npos) << use.too_large;
  }
}

TEST(StepsOnNodeKinds, TensorParallelGroupsStayInsideNodesOfAnySize) {
  std::array<NodeSpec, 2> nodes;
  nodes[0].gpus = 4;
  nodes[1].gpus = 2;
  const ClusterSpec cluster("two", "", {{"large", 1, nodes[0]}, {"small", 2, nodes[1]}});
  EXPECT_EQ(WhyImpossible(HomogeneousDegrees{.tp = 2, .dp = 4}, TinyGpt(), cluster), "");
  EXPECT_EQ(WhyImpossible(HomogeneousDegrees{.tp = 4, .dp = 2}, GptModel(16, 2, 4, 256), cluster),
            "the tensor-parallel group of GPUs 4 to 7 would cross nodes of 2");
  EXPECT_NE(WhyImpossible(HomogeneousDegrees{.tp = 2, .dp = 5}, TinyGpt(), cluster).find("the cluster has 8"),
            std::string::npos);
}

/// The same nodes as one kind and as two.
struct Twins {
  ModelSpec model = SmallVlm();
  NodeSpec node = A100Nodes(1).only_node();
  std::shared_ptr<const KernelCosts> kernels = BuiltInKernelCosts(node.gpu);
  SoftwareStack software{.sharding = Sharding::kOptimizer, .overlap_gradients = true};
  CostModel one{model, ClusterSpec("one", "", {{"node", 2, node}}), kernels, software};
  CostModel two{model, ClusterSpec("two", "", {{"a", 1, node}, {"b", 1, node}}), {kernels, kernels}, software};
};

struct Outcome {
  OperationTimes times;
  std::string hash;
  MemoryUse memory;
};

Outcome OutcomeOf(const CostModel& cost, const Layout& layout, Engine& engine) {
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  const std::vector<SampleShape> batch = UnevenSamples(3 * layout.llm_replicas() * layout.microbatches, 7);
  RandomStream random(7, "deal");
  const BatchPlan plan = Plugin<BatchScheduler>("random")->Schedule(MakeBatchProblem(cost, layout, batch), random);
  const Step step = SimulateStep({cost, layout, orders}, plan, batch, engine);
  TimelineHash hash(layout);
  hash.AddStep(step.graph, step.times);
  return {step.times, hash.Hex(), PeakMemory({cost, layout, orders}, step.work)};
}

TEST(StepsOnNodeKinds, EqualKindsAreOneKindToTheLastBit) {
  const Twins twins;
  const auto layouts = [](const CostModel& cost) {
    const auto place = [&](const auto& degrees) { return BuildLayout(degrees, cost.model(), cost.cluster()); };
    return std::array{
        place(HomogeneousDegrees{.tp = 2, .pp = 4, .dp = 2, .encoder_stages = 1, .microbatches = 6}),
        place(HomogeneousDegrees{.tp = 4, .pp = 1, .dp = 4, .encoder_stages = 0, .microbatches = 3, .encoder_tp = 1}),
        place(SeparateDegrees{{{2, 1, 2}}, {4, 1, 3}, 4, Communicator::kHub}),
        place(SeparateDegrees{{{1, 2, 2}}, {2, 3, 2}, 5, Communicator::kDirect})};
  };
  const auto one = layouts(twins.one);
  const auto two = layouts(twins.two);
  std::vector<std::string> engines = EngineNames();
  for (std::size_t i = 0; i < one.size(); ++i) {
    for (const std::string& name : engines) {
      const Outcome a = OutcomeOf(twins.one, one[i], *MakeEngine(name, twins.one.cluster()));
      const Outcome b = OutcomeOf(twins.two, two[i], *MakeEngine(name, twins.two.cluster()));
      EXPECT_EQ(a.times.start, b.times.start) << one[i].name << ", " << name;
      EXPECT_EQ(a.times.end, b.times.end) << one[i].name << ", " << name;
      EXPECT_EQ(a.hash, b.hash) << one[i].name << ", " << name;
      EXPECT_EQ(a.memory.peak, b.memory.peak);
    }
  }
}

TEST(StepsOnNodeKinds, EnginesAgreeOnAMessageBetweenKinds) {
  // 32 bytes over NICs of 16 and 4 bytes/s.
  const ClusterSpec cluster("two", "", {{"fast", 1, LoneGpu(16)}, {"slow", 1, LoneGpu(4)}});
  for (const std::string& name : EngineNames()) {
    for (const Flow& flow : {Flow{0, 1, Bytes(32)}, Flow{1, 0, Bytes(32)}}) {
      OperationGraph graph;
      graph.communications.Add(Communication{{flow}, Seconds(0)});
      graph.dependency_begin = {0, 0};
      graph.operations = {{.kind = OpKind::kTransfer, .communication = 0}};
      graph.durations = {UncontendedTime(cluster, graph.communications[0])};
      EXPECT_NEAR(MakeEngine(name, cluster)->Run(graph).makespan.value(), 8, 1e-9) << name;
    }
  }
}

}  // namespace
}  // namespace dflop
