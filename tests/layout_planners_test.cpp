// Planners against exhaustive search written the plain way.
#include <gtest/gtest.h>

#include <cmath>

#include "policies/means_formula.hpp"
#include "policies/plan_simulator.hpp"
#include "policies/uniform_layouts.hpp"
#include "tests/plan_support.hpp"

namespace dflop {
namespace {

struct Setting {
  CostModel cost;
  std::vector<SampleShape> samples;
  std::unique_ptr<BatchScheduler> batcher;
  std::unique_ptr<PipelineSchedule> schedule = Plugin<PipelineSchedule>("1f1b");
  int global_batch_size = 32;

  explicit Setting(const std::string& batcher_name, int nodes = 1, std::uint64_t seed = 1)
      : cost(SmallJob(nodes)), samples(UnevenSamples(32, seed)), batcher(Plugin<BatchScheduler>(batcher_name)) {}
  PlanningProblem problem() { return {cost, global_batch_size, samples, *batcher, *schedule, 1}; }
};

double SimulatedStep(Setting& setting, const Layout& layout) {
  RandomStream random(1, "planning/batcher");
  const auto plan = setting.batcher->Schedule(MakeBatchProblem(setting.cost, layout, setting.samples), random);
  return SimulateStep(setting.cost, layout, OrdersOf(*setting.schedule, layout), plan, setting.samples,
                      *MakeReplayEngine())
      .times.makespan.value();
}

TEST(UniformTuned, EqualsSimulatingEveryHomogeneousLayout) {
  for (const char* batcher : {"random", "lpt-2d"}) {
    Setting setting(batcher);
    double best = HUGE_VAL;
    for (const int tp : {1, 2, 4, 8}) {
      for (int pp = 1; pp * tp <= 8; ++pp) {
        for (int e = pp > 1 ? 1 : 0; e < std::max(1, pp); ++e) {
          for (const int m : {1, 2, 3, 4, 6, 8, 12, 16, 24, 32}) {
            if (8 % (tp * pp) != 0 || m > 32 / (8 / tp / pp)) continue;
            const HomogeneousDegrees degrees{tp, pp, 8 / tp / pp, e, m};
            if (!WhyImpossible(degrees, setting.cost.model(), setting.cost.cluster()).empty()) continue;
            const Layout layout = BuildLayout(degrees, setting.cost.model(), setting.cost.cluster());
            if (PlanSimulator(setting.problem()).Fits(layout).fits)
              best = std::min(best, SimulatedStep(setting, layout));
          }
        }
      }
    }
    const LayoutDecision decision = Plugin<LayoutPlanner>("uniform-tuned")->Plan(setting.problem());
    EXPECT_DOUBLE_EQ(decision.predicted.value(), best) << batcher;
    EXPECT_DOUBLE_EQ(SimulatedStep(setting, decision.layout), best) << batcher;
  }
}

TEST(UniformTuned, IsNeverSlowerThanThePaperBaselineOnThePlanningSample) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Setting setting("random", 2, seed);
    const auto tuned = Plugin<LayoutPlanner>("uniform-tuned")->Plan(setting.problem());
    const auto baseline = Plugin<LayoutPlanner>("paper-baseline")->Plan(setting.problem());
    EXPECT_LE(tuned.predicted, baseline.predicted) << "seed " << seed;
  }
}

TEST(PaperBaseline, HasThePapersDegrees) {
  Setting setting("random", 8);  // 64 GPUs: TP 8, PP 4, DP 2, encoder on stage 0
  const Layout layout = Plugin<LayoutPlanner>("paper-baseline")->Plan(setting.problem()).layout;
  EXPECT_EQ(layout.degrees[0], (ModuleDegrees{8, 1, 2, false}));
  EXPECT_EQ(layout.degrees[1], (ModuleDegrees{8, 3, 2, false}));
}

TEST(Dflop, PicksTheSmallestFormulaValueOfAll) {
  // Algorithm 1 as nested loops over everything, with the same formula object for the two durations.
  Setting setting("lpt-2d");
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
  Setting setting("lpt-2d", 2);
  const Layout layout = Plugin<LayoutPlanner>("dflop")->Plan(setting.problem()).layout;
  EXPECT_TRUE(layout.separate_encoders);
  EXPECT_EQ(layout.gpus_used(), 16);
}

TEST(Planners, SayWhichMemoryTermIsTooLarge) {
  for (const char* name : {"uniform-tuned", "dflop", "paper-baseline", "expected-makespan"}) {
    Setting setting("lpt-2d");
    ClusterSpec cluster = A100Nodes(1);
    cluster.node.gpu.memory = Bytes(1e9);
    setting.cost = CostModel(SmallVlm(), cluster, BuiltInKernelCosts(cluster.node.gpu), {});
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
  Setting setting("in-order");
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
  Setting setting("in-order");
  setting.global_batch_size = 4;
  EXPECT_THROW(Plugin<LayoutPlanner>(std::string(kUniform) + R"("microbatches": 1})")->Plan(setting.problem()),
               InputError);
}

TEST(FixedLayout, MayLeaveGpusUnused) {
  Setting setting("in-order");
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
