// expected-makespan and uniform-tuned against plain loops over every layout, and its bounds against simulations.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/policies/exhaustive_layouts.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

struct SearchJob {
  const char* name;
  int nodes;
  int gpus_per_node;
  int batch;
  const char* batcher;
  std::uint64_t seed;
  double memory = 80e9;
};
void PrintTo(const SearchJob& job, std::ostream* out) { *out << job.name; }

CostModel CostOf(const SearchJob& job) {
  ClusterSpec cluster = A100Nodes(job.nodes);
  cluster.only_node().gpus = job.gpus_per_node;
  cluster.only_node().nics = job.gpus_per_node;
  cluster.only_node().gpu.memory = Bytes(job.memory);
  return {SmallVlm(), cluster, BuiltInKernelCosts(cluster.only_node().gpu), {}};
}

struct SearchSetting {
  CostModel cost;
  std::vector<SampleShape> samples;
  std::unique_ptr<BatchScheduler> batcher;
  std::unique_ptr<PipelineSchedule> schedule = Plugin<PipelineSchedule>("1f1b");
  int batch;
  std::uint64_t seed;

  explicit SearchSetting(const SearchJob& job)
      : SearchSetting(job, CostOf(job), UnevenSamples(2 * job.batch, job.seed)) {}
  SearchSetting(const SearchJob& job, CostModel costs, std::vector<SampleShape> shapes)
      : cost(std::move(costs)),
        samples(std::move(shapes)),
        batcher(Plugin<BatchScheduler>(job.batcher)),
        batch(job.batch),
        seed(job.seed) {}
  PlanningProblem problem() const { return {cost, batch, samples, *batcher, *schedule, seed}; }
};

/// Exists for no pipeline at all.
class RefusesAll final : public PipelineSchedule {
 public:
  std::vector<DeviceOrder> Orders(const ScheduleProblem&) const override { throw Infeasible("refuses every pipeline"); }
};

TEST(NothingRuns, TheScheduleIsBlamedAndNotTheMemory) {
  SearchSetting setting({"8 GPUs", 1, 8, 16, "in-order", 1});
  setting.schedule = std::make_unique<RefusesAll>();
  const PlanningProblem problem = setting.problem();
  for (const char* planner : {"expected-makespan", "uniform-tuned"}) {
    try {
      Plugin<LayoutPlanner>(planner)->Plan(problem);
      FAIL() << planner << " found a layout";
    } catch (const Infeasible& error) {
      EXPECT_NE(std::string(error.what()).find("refuses every pipeline"), std::string::npos) << error.what();
      EXPECT_EQ(std::string(error.what()).find("GiB"), std::string::npos) << error.what();
    }
  }
}

class EveryLayout : public testing::TestWithParam<SearchJob> {};

TEST_P(EveryLayout, SimulatedHasNoneFaster) {
  const SearchSetting setting(GetParam());
  const PlanningProblem problem = setting.problem();
  const LayoutDecision decision = Plugin<LayoutPlanner>("expected-makespan")->Plan(problem);
  const auto best = ExhaustiveSearch(problem).OfAll();
  EXPECT_GT(best.layouts, 50u);
  EXPECT_DOUBLE_EQ(decision.predicted.value(), best.seconds)
      << decision.layout.name << " against " << best.name << " of " << best.layouts;
}

TEST_P(EveryLayout, HomogeneousOrColocatedHasNoneFasterThanUniformTuned) {
  for (const char* batcher : {GetParam().batcher, "random"}) {
    SearchJob job = GetParam();
    job.batcher = batcher;
    const SearchSetting setting(job);
    const PlanningProblem problem = setting.problem();
    const LayoutDecision decision = Plugin<LayoutPlanner>("uniform-tuned")->Plan(problem);
    const auto best = ExhaustiveSearch(problem).OfUniform();
    EXPECT_GE(best.layouts, 3u);
    EXPECT_DOUBLE_EQ(decision.predicted.value(), best.seconds)
        << batcher << ": " << decision.layout.name << " against " << best.name << " of " << best.layouts;
  }
}

TEST_P(EveryLayout, AlongEveryAxisHasNoneFaster) {
  SearchSetting setting(GetParam());
  const LayoutDecision decision =
      Plugin<LayoutPlanner>(
          R"({"name": "expected-makespan", "sharding": "choose", "context_parallel": true, "spread_encoders": true,)"
          R"( "budget": 0})")
          ->Plan(setting.problem());
  ExhaustiveSearch::Best best;
  const CostModel given = setting.cost;
  for (const Sharding sharding : {Sharding::kNone, Sharding::kOptimizer, Sharding::kParameters}) {
    setting.cost = given.With({.sharding = sharding});
    const PlanningProblem problem = setting.problem();
    const auto of_sharding = ExhaustiveSearch(problem).OfAllAxes();
    if (of_sharding.seconds < best.seconds) best = of_sharding;
  }
  EXPECT_NEAR(decision.predicted.value() / best.seconds, 1, 1e-12)
      << decision.layout.name << " against " << best.name << " of " << best.layouts;
}

// A colocated layout is best in the first seven, one pipeline in FourNodesOfOne, a separate layout in the rest.
constexpr SearchJob kJobs[] = {
    {"FourGpus", 1, 4, 16, "dflop", 1},           {"EightGpus", 1, 8, 16, "dflop", 2},
    {"EightGpusAtRandom", 1, 8, 16, "random", 3}, {"TwoNodesOfFour", 2, 4, 16, "lpt-2d", 4},
    {"SixGpus", 1, 6, 12, "lpt-2d", 5},           {"LittleMemory", 1, 8, 16, "dflop", 6, 9e9},
    {"SixteenGpus", 2, 8, 12, "lpt-2d", 7},       {"FourNodesOfOne", 4, 1, 16, "dflop", 8},
    {"EightNodesOfOne", 8, 1, 16, "lpt-2d", 9},   {"LeastMemory", 1, 8, 16, "dflop", 10, 5e9},
    {"FourNodesOfTwo", 4, 2, 16, "dflop", 10},
};
INSTANTIATE_TEST_SUITE_P(UpTo16Gpus, EveryLayout, testing::ValuesIn(kJobs),
                         [](const auto& test) { return std::string(test.param.name); });

/// SmallVlm and a deeper encoder beside its own, of which every other sample has more than a tile.
SearchSetting WithTwoEncoders(const SearchJob& job) {
  ModelSpec model = SmallVlm();
  model.encoders.push_back(model.encoders.front());
  model.encoders.back().name = "deeper";
  model.encoders.back().shape.layers = 16;
  const CostModel one = CostOf(job);
  std::vector<SampleShape> samples = UnevenSamples(2 * job.batch, job.seed);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i].tiles.push_back(i % 2 == 0 ? samples[(i + 1) % samples.size()].tiles.front() : 1);
  }
  return {job, CostModel(model, one.cluster(), BuiltInKernelCosts(one.cluster().only_node().gpu), {}), samples};
}

TEST(TwoEncoders, WithDevicesOfTheirOwnOrWithoutHaveNoneFaster) {
  const SearchJob jobs[] = {{"SixGpus", 1, 6, 12, "lpt-2d", 5},
                            {"EightGpus", 1, 8, 16, "dflop", 2},
                            {"TwoNodesOfFour", 2, 4, 16, "lpt-2d", 4},
                            {"EightNodesOfOne", 8, 1, 16, "lpt-2d", 9}};
  int apart = 0;
  for (const SearchJob& job : jobs) {
    const SearchSetting setting = WithTwoEncoders(job);
    const PlanningProblem problem = setting.problem();
    const LayoutDecision decision = Plugin<LayoutPlanner>("expected-makespan")->Plan(problem);
    const auto best = ExhaustiveSearch(problem).OfAll();
    EXPECT_GT(best.layouts, 50u);
    EXPECT_DOUBLE_EQ(decision.predicted.value(), best.seconds)
        << job.name << ": " << decision.layout.name << " against " << best.name << " of " << best.layouts;
    apart += decision.layout.joins() ? 1 : 0;
  }
  EXPECT_GE(apart, 1);
}

TEST(TwoEncoders, SpreadHaveNoneFasterEither) {
  const SearchSetting setting = WithTwoEncoders({"EightGpus", 1, 8, 16, "dflop", 2});
  PlanningProblem problem = setting.problem();
  const LayoutDecision decision =
      Plugin<LayoutPlanner>(R"({"name": "expected-makespan", "context_parallel": true, "spread_encoders": true})")
          ->Plan(problem);
  const auto best = ExhaustiveSearch(problem).OfAllAxes();
  EXPECT_DOUBLE_EQ(decision.predicted.value(), best.seconds)
      << decision.layout.name << " against " << best.name << " of " << best.layouts;
}

TEST(ChoiceEstimate, BoundIsNeverAboveTheSimulatedStep) {
  // Every third choice of every job, with batchers that divide evenly and at random.
  for (const char* batcher : {"lpt-2d", "random"}) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      const SearchSetting setting({"", 1 + static_cast<int>(seed % 2), 8, 16, batcher, seed});
      const PlanningProblem problem = setting.problem();
      ChoiceEstimate estimate(problem, RaceBatches(problem).front());
      ExhaustiveSearch search(problem);
      std::size_t number = 0;
      double tightest = 0;
      double tightest_colocated = 0;
      ForEachChoice(problem,
                    [&](LayoutChoice choice, const std::vector<int>& counts) {
                      for (const int count : counts) {
                        choice.microbatches = count;
                        choice.fewer_last = static_cast<int>(number % 2);
                        if (number++ % 3 != 0) continue;
                        const Layout layout = BuildLayout(choice, setting.cost.model(), setting.cost.cluster());
                        const double bound = estimate.Of(choice).bound.value();
                        const double step = search.StepTime(layout, 0);
                        EXPECT_LE(bound, step) << layout.name << ", " << batcher << ", seed " << seed;
                        double& best = choice.encoder_groups() > 1 ? tightest_colocated : tightest;
                        best = std::max(best, bound / step);
                      }
                    },
                    {.context_parallel = true, .spread = true});
      EXPECT_GT(number, 300u);
      EXPECT_GT(tightest, 0.3) << "a bound that says nothing";
      EXPECT_GT(tightest_colocated, 0.3) << "a bound that says nothing of colocated layouts";
    }
  }
}

TEST(ChoiceEstimate, WhatItCallsTooLargeNeverFits) {
  for (const double memory : {4e9, 3e9, 2e9}) {
    const SearchSetting setting({"", 1, 8, 16, "lpt-2d", 1, memory});
    const PlanningProblem problem = setting.problem();
    ChoiceEstimate estimate(problem, RaceBatches(problem).front());
    PlanSimulator simulator(problem);
    std::size_t refused = 0;
    std::size_t refused_colocated = 0;
    ForEachChoice(problem,
                  [&](LayoutChoice choice, const std::vector<int>& counts) {
                    choice.microbatches = counts.back();
                    if (estimate.Of(choice).state_fits) return;
                    ++refused;
                    refused_colocated += choice.encoder_groups() > 1 ? 1 : 0;
                    const Layout layout = BuildLayout(choice, setting.cost.model(), setting.cost.cluster());
                    EXPECT_FALSE(simulator.Fits(layout).fits) << layout.name;
                  },
                  {.context_parallel = true, .spread = true});
    EXPECT_GT(refused, 10u) << memory;
    EXPECT_GE(refused_colocated, 3u) << memory;
  }
}

TEST(LayoutChoice, EncodersWhoseHeadsForbidTheTpOfTheLlmAreColocated) {
  // Two heads: an encoder of one or two ranks, beside an LLM of up to eight.
  SearchSetting setting({"", 1, 8, 16, "lpt-2d", 1});
  ModelSpec model = SmallVlm();
  model.encoders.front().shape.heads = 2;
  const ClusterSpec cluster = A100Nodes(1);
  setting.cost = CostModel(model, cluster, BuiltInKernelCosts(cluster.only_node().gpu), {});
  std::map<int, std::set<int>> encoder_tps;  // by TP of the LLM; 0 is plain
  ForEachChoice(setting.problem(), [&](const LayoutChoice& choice, const std::vector<int>&) {
    if (!choice.separate()) encoder_tps[choice.llm.tp].insert(choice.encoder_tp);
  });
  const std::map<int, std::set<int>> expected{{1, {0}}, {2, {0, 1}}, {4, {1, 2}}, {8, {1, 2}}};
  EXPECT_EQ(encoder_tps, expected);
}

TEST(ExpectedMakespan, IsDeterministicAndSaysWhatWasPrunedAndWhoCameSecond) {
  const SearchSetting setting({"", 2, 8, 16, "dflop", 1});
  const auto planner = Plugin<LayoutPlanner>("expected-makespan");
  const LayoutDecision first = planner->Plan(setting.problem());
  const LayoutDecision second = planner->Plan(setting.problem());
  EXPECT_EQ(ToJson(first.layout).Dump(), ToJson(second.layout).Dump());
  EXPECT_EQ(first.reason, second.reason);
  for (const char* part : {"the runner-up", "95 % interval", "cannot come close by the bound", "simulated on"}) {
    EXPECT_NE(first.reason.find(part), std::string::npos) << part << " in " << first.reason;
  }
}

TEST(ExpectedMakespan, BudgetLimitsTheBatchesDivided) {
  const SearchSetting setting({"", 2, 8, 16, "dflop", 1});
  const auto decision =
      Plugin<LayoutPlanner>(R"({"name": "expected-makespan", "budget": 40})")->Plan(setting.problem());
  // 24 in the first rung, then at least two layouts on seven more batches.
  EXPECT_LE(decision.candidates.size(), 24u);
}

TEST(ExpectedMakespan, ChoosesTheSoftwareStackOnlyWhenAsked) {
  // Without room for activations, recomputing them pays.
  const SearchSetting setting({"", 1, 8, 16, "dflop", 1, 9e9});
  const auto given = Plugin<LayoutPlanner>("expected-makespan")->Plan(setting.problem());
  const auto chosen = Plugin<LayoutPlanner>(
                          R"({"name": "expected-makespan", "recompute": "choose", "distributed_optimizer": "choose"})")
                          ->Plan(setting.problem());
  EXPECT_FALSE(given.software.has_value());
  ASSERT_TRUE(chosen.software.has_value());
  EXPECT_LT(chosen.predicted, given.predicted);
}

TEST(ChoiceEstimate, FewerLayersBesideALargeHeadShortenTheStep) {
  // A vocabulary whose head costs as much as a few layers; 12 LLM layers on three of four stages.
  ModelSpec model = SmallVlm();
  model.llm.vocab = 100'000;
  const ClusterSpec cluster = A100Nodes(1);
  SearchSetting setting({"", 1, 8, 16, "lpt-2d", 1});
  setting.cost = CostModel(model, cluster, BuiltInKernelCosts(cluster.only_node().gpu), {});
  const PlanningProblem problem = setting.problem();
  LayoutChoice choice{
      .family = LayoutFamily::kHomogeneous, .llm = {1, 4, 2, false}, .encoder_stages = 1, .microbatches = 8};
  const int fewer = ChoiceEstimate(problem, RaceBatches(problem).front()).FewerForHead(choice, 3);
  EXPECT_GT(fewer, 0);
  ExhaustiveSearch search(problem);
  const double even = search.StepTime(BuildLayout(choice, model, cluster), 0);
  choice.fewer_last = fewer;
  EXPECT_LT(search.StepTime(BuildLayout(choice, model, cluster), 0), even);
}

TEST(ExpectedMakespan, UnevenLayersAreNeverWorseOnThePlanningBatches) {
  const SearchSetting setting({"", 1, 8, 16, "dflop", 2});
  const auto even = Plugin<LayoutPlanner>("expected-makespan")->Plan(setting.problem());
  const auto uneven =
      Plugin<LayoutPlanner>(R"({"name": "expected-makespan", "uneven_layers": true})")->Plan(setting.problem());
  EXPECT_LE(uneven.predicted, even.predicted);
}

TEST(ExpectedMakespan, PlansModelsWithoutEncoderAndInterleavedSchedules) {
  SearchSetting setting({"", 1, 8, 16, "lpt-2d", 1});
  setting.schedule = Plugin<PipelineSchedule>(R"({"name": "interleaved", "chunks": 2})");
  EXPECT_GT(Plugin<LayoutPlanner>("expected-makespan")->Plan(setting.problem()).predicted, Seconds(0));

  SearchSetting text({"", 1, 8, 16, "lpt-2d", 1});
  ModelSpec model = SmallVlm();
  model.encoders.clear();
  const ClusterSpec cluster = A100Nodes(1);
  text.cost = CostModel(model, cluster, BuiltInKernelCosts(cluster.only_node().gpu), {});
  for (SampleShape& sample : text.samples) sample.tiles.clear();
  const auto decision = Plugin<LayoutPlanner>("expected-makespan")->Plan(text.problem());
  EXPECT_FALSE(decision.layout.joins());
}

TEST(ExpectedMakespan, SaysWhatWouldMakeTheNearestLayoutFit) {
  // 2.2 GB hold a stage's weights, but not its Adam moments unless replicas share them.
  const SearchSetting setting({"", 1, 8, 16, "dflop", 1, 3e9});
  try {
    Plugin<LayoutPlanner>("expected-makespan")->Plan(setting.problem());
    FAIL() << "found room";
  } catch (const Infeasible& infeasible) {
    EXPECT_NE(std::string(infeasible.what()).find("would make it fit"), std::string::npos) << infeasible.what();
  }
}

}  // namespace
}  // namespace dflop
