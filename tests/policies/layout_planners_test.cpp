// Planners against exhaustive search written the plain way.
#include <gtest/gtest.h>

#include <cmath>

#include "policies/layout_search/means_formula.hpp"
#include "policies/layout_search/race_decision.hpp"
#include "policies/layout_search/uniform_layouts.hpp"
#include "tests/policies/planner_jobs.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

struct PlannerSetting {
  CostModel cost;
  std::vector<SampleShape> samples;
  std::unique_ptr<BatchScheduler> batcher;
  std::unique_ptr<PipelineSchedule> schedule = Plugin<PipelineSchedule>("1f1b");
  int global_batch_size = 32;

  explicit PlannerSetting(const std::string& batcher_name, int nodes = 1, std::uint64_t seed = 1)
      : cost(SmallJob(nodes)), samples(UnevenSamples(32, seed)), batcher(Plugin<BatchScheduler>(batcher_name)) {}
  PlanningProblem problem() { return {cost, global_batch_size, samples, *batcher, *schedule, 1}; }
};

TEST(UniformTuned, IsNeverSlowerThanThePaperBaselineOnThePlanningSample) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    PlannerSetting setting("random", 2, seed);
    const auto tuned = Plugin<LayoutPlanner>("uniform-tuned")->Plan(setting.problem());
    const auto baseline = Plugin<LayoutPlanner>("paper-baseline")->Plan(setting.problem());
    EXPECT_LE(tuned.predicted, baseline.predicted) << "seed " << seed;
  }
}

TEST(PaperBaseline, HasThePapersDegrees) {
  PlannerSetting setting("random", 8);  // 64 GPUs: TP 8, PP 4, DP 2, encoder on stage 0
  const Layout layout = Plugin<LayoutPlanner>("paper-baseline")->Plan(setting.problem()).layout;
  EXPECT_EQ(DegreesOf(layout)[0], (ModuleDegrees{8, 1, 2, false}));
  EXPECT_EQ(DegreesOf(layout)[1], (ModuleDegrees{8, 3, 2, false}));
}

TEST(PaperBaseline, EncodersWhoseHeadsForbidTheTpOfTheLlmGetItsLargestDivisorThatTheyAllow) {
  for (const auto& [heads, encoder_tp] : {std::pair{25, 1}, {10, 2}, {12, 4}, {16, 8}}) {
    PlannerSetting setting("random", 8);
    ModelSpec model = SmallVlm();
    model.encoders.front().shape.heads = heads;
    const ClusterSpec cluster = A100Nodes(8);
    setting.cost = CostModel(model, cluster, BuiltInKernelCosts(cluster.only_node().gpu), {});
    const Layout layout = Plugin<LayoutPlanner>("paper-baseline")->Plan(setting.problem()).layout;
    // TP 8, PP 4, DP 2: the encoder has 8/encoder_tp groups of ranks in each of its two device groups.
    EXPECT_EQ(DegreesOf(layout)[0], (ModuleDegrees{encoder_tp, 1, 16 / encoder_tp, false})) << heads;
    EXPECT_EQ(DegreesOf(layout)[1], (ModuleDegrees{8, 3, 2, false})) << heads;
  }
}

TEST(PaperBaseline, InterleavesOnOneNodeWithSmallerGroups) {
  // A group of 8 of 8 GPUs has no pipeline, and nothing to interleave: TP 4, PP 2.
  PlannerSetting setting("random");
  setting.schedule = Plugin<PipelineSchedule>(R"({"name": "interleaved", "chunks": 2})");
  const Layout layout = Plugin<LayoutPlanner>("paper-baseline")->Plan(setting.problem()).layout;
  EXPECT_EQ(DegreesOf(layout)[1].tp, 4);
  EXPECT_EQ(layout.depth, 4);
}

struct Feasible {
  const char* name;  ///< of the test
  const char* model;
  const char* cluster;
  int nodes;
  int llm_tp;
  int encoder_tp;
  const char* samples = "dflop-mix";
};
void PrintTo(const Feasible& job, std::ostream* out) { *out << job.name; }

class YardstickJob : public testing::TestWithParam<Feasible> {};

TEST_P(YardstickJob, HasARandomFixedPlanThatItsUsersWouldRun) {
  const Feasible& job = GetParam();
  const PlannerJob planner(job.model, job.cluster, job.nodes, job.samples, 64, "random");
  const Layout layout = planner.Plan("paper-baseline").layout;
  EXPECT_EQ(DegreesOf(layout).back().tp, job.llm_tp) << layout.name;
  EXPECT_EQ(DegreesOf(layout).front().tp, job.encoder_tp) << layout.name;
  EXPECT_EQ(layout.gpus_used(), 8 * job.nodes);
}

// InternViT-6B has 25 heads; 28 heads of Qwen2.5-7B allow TP 4.
constexpr Feasible kFeasible[] = {
    {"HeadsOfNoTpOnFourNodesOfH200", "internvl-internvit-6b-qwen2.5-72b", "dgx-h200", 4, 8, 1},
    {"HeadsOfNoTpOnEightNodesOfH200", "internvl-internvit-6b-qwen2.5-72b", "dgx-h200", 8, 8, 1},
    {"HeadsOfNoTpOnEightNodesOfA100", "internvl-internvit-6b-qwen2.5-72b", "hgx-a100-800g", 8, 8, 1},
    {"OneNode", "llava-ov-siglip-2.4b-llama3-8b", "hgx-a100-800g", 1, 8, 8},
    {"SixNodes", "llava-ov-siglip-2.4b-qwen2.5-32b", "hgx-a100-800g", 6, 8, 8},
    {"TwentyEightHeads", "llava-ov-siglip-2.4b-qwen2.5-7b", "hgx-a100-800g", 4, 4, 4},
    {"TextOnly", "qwen2.5-32b", "hgx-a100-800g", 4, 8, 8, "text-only"},
};
INSTANTIATE_TEST_SUITE_P(PaperBaseline, YardstickJob, testing::ValuesIn(kFeasible),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(UniformTuned, ColocatedEncodersAreSearchedWhereHeadsForbidASharedTp) {
  // InternVL-72B on 32 H200: a TP that divides 25 heads and 64 is 1, with which the step takes 1.43 times as long.
  const PlannerJob job("internvl-internvit-6b-qwen2.5-72b", "dgx-h200", 4, "dflop-mix", 64, "random");
  const PlanningProblem problem = job.problem();
  std::vector<HomogeneousDegrees> shared = UniformDegrees(problem.cost.model(), problem.cost.cluster());
  std::erase_if(shared, [](const HomogeneousDegrees& degrees) { return degrees.encoder_tp > 0; });
  const std::vector<PlanningProblem> one{problem};
  LayoutRace race(one, TheseDegrees("layout of one TP", shared), false, 512);
  const std::optional<LayoutDecision> plain = DecideByRace(race);
  const LayoutDecision tuned = job.Plan("uniform-tuned");
  EXPECT_LT(DegreesOf(tuned.layout).front().tp, DegreesOf(tuned.layout).back().tp) << tuned.layout.name;
  ASSERT_TRUE(plain);
  EXPECT_GT(plain->predicted / tuned.predicted, 1.2) << plain->layout.name;
}

TEST(UniformTuned, PlansInterleavedPipelinesAndModelsWithoutEncoder) {
  PlannerSetting setting("random");
  setting.schedule = Plugin<PipelineSchedule>(R"({"name": "interleaved", "chunks": 2})");
  const Layout layout = Plugin<LayoutPlanner>("uniform-tuned")->Plan(setting.problem()).layout;
  EXPECT_GT(layout.depth, static_cast<int>(layout.groups.size()) / layout.llm_replicas());

  // Two directions: of even depth, every microbatch count a multiple of it, the replicas twice the rows.
  setting.schedule = Plugin<PipelineSchedule>("chimera");
  for (const char* planner : {"uniform-tuned", "paper-baseline"}) {
    const Layout both_ways = Plugin<LayoutPlanner>(planner)->Plan(setting.problem()).layout;
    EXPECT_EQ(both_ways.directions, 2);
    EXPECT_EQ(both_ways.depth % 2, 0);
    EXPECT_EQ(both_ways.microbatches_of_row() % both_ways.depth, 0);
    EXPECT_EQ(both_ways.llm_replicas() * both_ways.depth, 2 * static_cast<int>(both_ways.groups.size()));
  }

  const PlannerJob text("qwen2.5-7b", "hgx-a100-800g", 1, "text-only", 16, "random");
  EXPECT_GT(text.Plan("uniform-tuned").predicted, Seconds(0));
}

TEST(Dflop, PicksTheSmallestFormulaValueOfAll) {
  // Algorithm 1 as nested loops over everything, with the same formula object for the two durations.
  PlannerSetting setting("lpt-2d");
  setting.global_batch_size = 32;
  const PlanningProblem problem = setting.problem();
  MeansFormula formula(problem);
  double best = HUGE_VAL;
  for (int encoder_gpus = 1; encoder_gpus < 8; ++encoder_gpus) {
    for (int etp = 1; etp <= 8; ++etp) {
      for (int epp = 1; epp <= 8; ++epp) {
        for (int edp = 1; edp <= 8; ++edp) {
          for (int ltp = 1; ltp <= 8; ++ltp) {
            for (int lpp = 1; lpp <= 8; ++lpp) {
              for (int ldp = 1; ldp <= 8; ++ldp) {
                if (etp * epp * edp != encoder_gpus || ltp * lpp * ldp != 8 - encoder_gpus) continue;
                SeparateDegrees d{{{etp, epp, edp}}, {ltp, lpp, ldp}, 1, Communicator::kHub};
                if (!WhyImpossible(d, setting.cost.model(), setting.cost.cluster()).empty()) continue;
                for (d.microbatches = 1; d.microbatches <= 32 / ldp; ++d.microbatches) {
                  const double e = formula.Time(0, etp, d.microbatches * edp).value() / epp;
                  const double l = formula.Time(1, ltp, d.microbatches * ldp).value() / lpp;
                  best = std::min(best, (d.microbatches + epp + lpp - 1) * std::max(e, l));
                }
              }
            }
          }
        }
      }
    }
  }
  EXPECT_DOUBLE_EQ(Plugin<LayoutPlanner>("dflop")->Plan(problem).predicted.value(), best);
}

TEST(Dflop, UsesAllGpusOnDisjointGroups) {
  PlannerSetting setting("lpt-2d", 2);
  const Layout layout = Plugin<LayoutPlanner>("dflop")->Plan(setting.problem()).layout;
  EXPECT_TRUE(layout.joins());
  EXPECT_EQ(layout.gpus_used(), 16);
}

TEST(Planners, SayWhichMemoryTermIsTooLarge) {
  for (const char* name : {"uniform-tuned", "dflop", "paper-baseline", "expected-makespan"}) {
    PlannerSetting setting("lpt-2d");
    ClusterSpec cluster = A100Nodes(1);
    cluster.only_node().gpu.memory = Bytes(1e9);
    setting.cost = CostModel(SmallVlm(), cluster, BuiltInKernelCosts(cluster.only_node().gpu), {});
    try {
      Plugin<LayoutPlanner>(name)->Plan(setting.problem());
      FAIL() << name << " found room in 1 GB";
    } catch (const Infeasible& infeasible) {
      EXPECT_NE(std::string(infeasible.what()).find("too much; the largest term is"), std::string::npos)
          << name << ": " << infeasible.what();
    }
  }
}

struct BadFixedSpec {
  const char* name;  ///< of the test
  const char* spec;
  const char* complaint;
};

class BadFixedLayout : public testing::TestWithParam<BadFixedSpec> {};

void PrintTo(const BadFixedSpec& bad, std::ostream* out) { *out << bad.name; }

TEST_P(BadFixedLayout, IsAnInputErrorAtItsPlace) {
  const BadFixedSpec& bad = GetParam();
  PlannerSetting setting("in-order");
  try {
    Plugin<LayoutPlanner>(bad.spec)->Plan(setting.problem());
    FAIL() << bad.spec;
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find(bad.complaint), std::string::npos) << error.what();
  }
}

constexpr const char* kUniform = R"({"name": "fixed", "uniform": {"tp": 1, "pp": 1, "dp": 8}, )";
constexpr BadFixedSpec kBadFixedSpecs[] = {
    {"TensorParallelOfThree", R"({"name": "fixed", "uniform": {"tp": 3, "pp": 1, "dp": 1}, "microbatches": 1})",
     "/uniform: tensor"},
    {"TooManyGpus", R"({"name": "fixed", "uniform": {"tp": 1, "pp": 1, "dp": 9}, "microbatches": 1})", "wants 9 GPUs"},
    {"TensorParallelOfNone", R"({"name": "fixed", "uniform": {"tp": 0, "pp": 1, "dp": 1}, "microbatches": 1})",
     "/uniform/tp: is 0"},
    {"MoreMicrobatchesThanSamples", R"({"name": "fixed", "uniform": {"tp": 1, "pp": 1, "dp": 8}, "microbatches": 5})",
     "/microbatches: is 5"},
    {"SamplesThatDoNotDivide",
     R"({"name": "fixed", "uniform": {"tp": 1, "pp": 1, "dp": 8}, "samples_per_microbatch": 3})",
     "/samples_per_microbatch"},
    {"NoMicrobatches", R"({"name": "fixed", "uniform": {"tp": 1, "pp": 1, "dp": 8}})", "either microbatches or"},
    {"NoEncoders", R"({"name": "fixed", "llm": {"tp": 1, "pp": 1, "dp": 1}, "microbatches": 1})",
     "lacks the degrees of"},
    {"UnknownEncoder",
     R"({"name": "fixed", "encoders": {"visoin": {"tp": 1, "pp": 1, "dp": 1}}, "llm": {"tp": 1, "pp": 1, "dp": 1},
                      "microbatches": 1})",
     "lacks the degrees of encoder"},
};
INSTANTIATE_TEST_SUITE_P(Fixed, BadFixedLayout, testing::ValuesIn(kBadFixedSpecs),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(FixedLayout, MoreReplicasThanSamplesIsAnError) {
  PlannerSetting setting("in-order");
  setting.global_batch_size = 4;
  EXPECT_THROW(Plugin<LayoutPlanner>(std::string(kUniform) + R"("microbatches": 1})")->Plan(setting.problem()),
               InputError);
}

TEST(FixedLayout, MayLeaveGpusUnused) {
  PlannerSetting setting("in-order");
  const auto planner = Plugin<LayoutPlanner>(
      R"({"name": "fixed", "uniform": {"tp": 1, "pp": 2, "dp": 2}, "samples_per_microbatch": 4})");
  const Layout layout = planner->Plan(setting.problem()).layout;
  EXPECT_EQ(layout.gpus_used(), 4);
  EXPECT_EQ(layout.microbatches, 4);  // 32 samples / (2 replicas · 4)
}

TEST(MicrobatchCounts, ArePowersOfTwoAndThreeTimesThose) {
  EXPECT_EQ(MicrobatchCounts(26, 2), (std::vector<int>{1, 2, 3, 4, 6, 8, 12}));
  EXPECT_TRUE(MicrobatchCounts(3, 4).empty());
}

}  // namespace
}  // namespace dflop
