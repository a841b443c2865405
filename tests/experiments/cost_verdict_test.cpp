// Verdicts under drawn kernel costs: the share, its words, and the replays behind it in a run.
#include "experiments/results/cost_verdict.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "experiments/results/summary.hpp"
#include "experiments/results/training_changes.hpp"
#include "experiments/run/cost_draws.hpp"
#include "experiments/run/point_run.hpp"
#include "experiments/spec/experiment.hpp"
#include "sim/build/graph_builder.hpp"
#include "tests/experiments/small_experiment.hpp"
#include "tests/sim/plan_support.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

TEST(CostVerdict, APolicyThatIsATenthSlowerInEverythingIsSlowerInAllDraws) {
  DrawTimes baseline(3);
  DrawTimes slower(3);
  for (std::size_t seed = 0; seed < 3; ++seed) {
    for (int number = 0; number < kCostDraws; ++number) {
      const double time = static_cast<double>(seed + 1) * std::exp(0.2 * DrawCosts(number)[0]);
      baseline[seed].push_back(time);
      slower[seed].push_back(1.1 * time);
    }
  }
  EXPECT_EQ(ShareFaster(baseline, slower), 0);
  EXPECT_EQ(ShareFaster(slower, baseline), 1);
  EXPECT_EQ(VerdictText(0), "slower in 100 %");
}

// One spends 3 s in GEMMs and 1 s in attention, the other 2 s and 2.2 s: the first is faster just where a second of
// GEMMs has become shorter than 1.2 s of attention, in draws with g < 1.2·a.
TEST(CostVerdict, GemmsBeatAttentionInJustTheDrawsWhoseFactorsSaySo) {
  DrawTimes gemms(1);
  DrawTimes attention(1);
  int expected = 0;
  for (int number = 0; number < kCostDraws; ++number) {
    const CostDraw draw = DrawCosts(number);
    const double g = std::exp(0.3 * draw[0]);
    const double a = std::exp(0.3 * draw[1]);
    gemms[0].push_back(3 * g + 1 * a);
    attention[0].push_back(2 * g + 2.2 * a);
    if (g / a < 1.2) ++expected;
  }
  ASSERT_GT(expected, 0);
  ASSERT_LT(expected, kCostDraws);
  EXPECT_EQ(ShareFaster(attention, gemms), static_cast<double>(expected) / kCostDraws);
}

TEST(CostVerdict, SumsTheSeedsOfADrawBeforeItComparesAndTiesCountHalf) {
  // Draw 0: 1 + 3 against 2 + 2, a tie. Draw 1: 5 + 1 against 2 + 2, faster.
  EXPECT_EQ(ShareFaster({{1, 5}, {3, 1}}, {{2, 2}, {2, 2}}), 0.75);
}

TEST(CostVerdict, SaysNothingWhereThereAreNoPairs) {
  EXPECT_FALSE(ShareFaster({}, {}));
  EXPECT_FALSE(ShareFaster({{}}, {{}}));  // stored without draws
  EXPECT_FALSE(ShareFaster({{1, 2}}, {{1, 2}, {1, 2}}));
}

TEST(CostVerdict, ComparesTheDrawsThatBothHave) {
  // The second draw, of which one policy knows nothing, would say the opposite.
  EXPECT_EQ(ShareFaster({{2, 1}}, {{1}}), 1);
  EXPECT_EQ(ShareFaster({{2, 1, 1}, {2, 1}}, {{1, 9, 9}, {1, 9, 9}}), 0.5);
}

TEST(CostVerdict, SpeaksPlainly) {
  EXPECT_EQ(VerdictText(1), "faster in 100 %");
  EXPECT_EQ(VerdictText(0.95), "faster in 95 %");
  EXPECT_EQ(VerdictText(0.03), "slower in 97 %");
  EXPECT_EQ(VerdictText(0.71), "in 71 %: not decided by these costs");
  EXPECT_EQ(VerdictText(0.06), "in 6 %: not decided by these costs");
  EXPECT_EQ(VerdictCell(1), "100 %");
  EXPECT_EQ(VerdictCell(0.71), "? 71 %");
}

// Draws replay one step that took 2 s as predicted, while the run's mean is 3 s.
TEST(CostVerdict, ScalesTheReplayedStepToTheMeanOfTheRun) {
  const Json run =
      ParseJson(R"({"under_cost_draws": {"step": 0, "as_predicted_s": 2.0, "iteration_time_s": [2.0, 4.0]}})", "run");
  EXPECT_EQ(TimesUnderDraws(JsonReader(run, "run"), 3), (std::vector<double>{3, 6}));
  const Json older = Json::EmptyObject();
  EXPECT_TRUE(TimesUnderDraws(JsonReader(older, "run"), 3).empty());
}

Experiment Read(const Json& json) {
  const TemporaryFolder folder;
  WriteJsonFile(folder / "small.json", json);
  return ReadExperiment(folder / "small.json");
}

Json RunsOf(const Experiment& experiment) {
  Json runs = Json::EmptyArray();
  for (const Point& point : experiment.points) {
    for (const PolicySpec& policy : point.scenario.policies) {
      const Json result = RunUnit({&experiment, &point, &policy, false});
      for (const Json& run : result.as<Json::Array>()) runs.push_back(run);
    }
  }
  return runs;
}

const Json& FirstStep(const Json& run) {
  return run.find("metrics")->find("iteration_time_s")->find("per_step")->as<Json::Array>().front();
}

TEST(CostDrawsOfARun, StandBesideItsFirstStepBitForBit) {
  const Json runs = RunsOf(Read(SmallExperiment()));
  for (const Json& run : runs.as<Json::Array>()) {
    const Json& draws = *run.find("under_cost_draws");
    EXPECT_EQ(draws.find("as_predicted_s")->number(), FirstStep(run).number());
    EXPECT_EQ(draws.find("iteration_time_s")->as<Json::Array>().size(), std::size_t{kCostDraws});
  }
}

// 2²⁵ operations altogether, 4 to 32 draws.
TEST(CostDrawsOfARun, AreAsManyAsAllReplicasAllowWhetherFoldedOrNot) {
  const CostModel cost = SmallJob();
  const Layout layout = BuildLayout(HomogeneousDegrees{1, 2, 4, 1, 2}, SmallVlm(), A100Nodes(1));
  const Job job{cost, layout, OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout)};
  OperationGraph graph = BuildGraph(job, TinyWork(cost, layout), NoCosts(cost, layout));
  EXPECT_EQ(CostDrawsOf(graph, layout), 32);
  // Every device stands for 2¹⁷: four replicas of 8 computations, 4 messages and 2 optimizer steps are 7.3 million.
  graph.copies.assign(layout.groups.size(), 1 << 17);
  EXPECT_EQ(CostDrawsOf(graph, layout), 4);
  const double operations = OperationsToldApart(graph, layout) / (1 << 17);
  graph.copies.assign(layout.groups.size(), static_cast<int>((1 << 25) / operations / 9.5));
  EXPECT_EQ(CostDrawsOf(graph, layout), 9);
}

TEST(CostDrawsOfARun, AreStatedAsManyAsThereWere) {
  CostDrawCount count;
  const KernelCosts& costs = *Read(SmallExperiment()).points.front().scenario.kernels.front();
  EXPECT_EQ(*DescribeCostDraws(costs, count).find("count"), Json(0));
  count.Add(7);
  EXPECT_EQ(*DescribeCostDraws(costs, count).find("count"), Json(7));
  EXPECT_EQ(DescribeCostDraws(costs, count).find("fewest"), nullptr);
  count.Add(32);
  count.Add(9);
  EXPECT_EQ(*DescribeCostDraws(costs, count).find("count"), Json(32));
  EXPECT_EQ(*DescribeCostDraws(costs, count).find("fewest"), Json(7));
}

TEST(CostDrawsOfARun, DependOnNoNameAndNoOrder) {
  Json renamed = SmallExperiment();
  renamed["name"] = "other";
  Json::Array& policies = renamed["policies"].as<Json::Array>();
  std::reverse(policies.begin(), policies.end());
  policies[0]["name"] = "a";
  policies[1]["name"] = "b";
  renamed["baselines"] = Json(Json::Array{"b"});
  const Json runs = RunsOf(Read(SmallExperiment()));
  const Json others = RunsOf(Read(renamed));
  const auto draws = [](const Json& all, std::size_t i) { return *all.as<Json::Array>()[i].find("under_cost_draws"); };
  for (std::size_t seed = 0; seed < 2; ++seed) {
    EXPECT_EQ(draws(runs, seed), draws(others, 2 + seed));
    EXPECT_EQ(draws(runs, 2 + seed), draws(others, seed));
  }
}

// The whole way of a step: a draw of zeros is the step itself, also where the host's launches outlast the device and
// gradients hide behind the backward.
TEST(StepTimeUnderDraw, OfZerosIsTheStepBitForBit) {
  for (const double host_s : {0.0, 5e-6}) {
    Json json = SmallExperiment();
    Json& scenario = json["scenarios"].as<Json::Array>()[0];
    scenario["software"]["host_s_per_kernel"] = host_s;
    scenario["software"]["overlap_gradients"] = true;
    const Experiment experiment = Read(json);
    const Scenario& read = experiment.points.front().scenario;
    for (const PolicySpec& policy : read.policies) {
      const PlannedJob job = PlanJob(read, policy, 1);
      const std::vector<SampleShape> batch = DrawBatch(read, 1, 0);
      RandomStream random(1, "batching");
      const BatchPlan plan =
          policy.MakeBatcher()->Schedule(MakeBatchProblem(job.cost, job.decision.layout, batch), random);
      const Step step = SimulateStep(job.job(), plan, batch, *MakeReplayEngine());
      EXPECT_EQ(StepTimeUnderDraw(read, job.job(), step, {}, {}), step.times.makespan);
      // A draw is the step of a job whose kernels cost what was drawn, planned as this one was.
      const std::vector<double> all = StepTimesUnderDraws(read, job.job(), step, {});
      for (const int number : {0, 1, kCostDraws - 1}) {
        const auto kernels = std::make_shared<DrawnKernelCosts>(read.kernels.front(), SpreadOf(*read.kernels.front()),
                                                                DrawCosts(number));
        const CostModel drawn(read.model, read.cluster, kernels, job.cost.software());
        const Step anew = SimulateStep({drawn, job.decision.layout, job.orders}, plan, batch, *MakeReplayEngine());
        EXPECT_EQ(all[static_cast<std::size_t>(number)], anew.times.makespan.value());
        EXPECT_NE(anew.times.makespan, step.times.makespan);
      }
    }
  }
}

TEST(Summary, SaysHowOftenAPolicyIsFasterAndMarksWhoChangesTheTraining) {
  Json json = SmallExperiment();
  json["policies"].as<Json::Array>()[1]["batching"] = "dflop-as-released";
  const Experiment experiment = Read(json);
  Json result;
  result["runs"] = RunsOf(experiment);
  result["baselines"] = Json::ArrayOf(experiment.baselines);
  const std::vector<SummaryRow> rows = Summarise(JsonReader(result, "result.json"));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_TRUE(rows[0].faster.empty());  // the baseline itself
  const double share = rows[1].faster.at("plain");
  const std::string table = SummaryTable(rows, experiment.baselines);
  EXPECT_NE(table.find("  " + VerdictCell(share) + "  "), std::string::npos) << table;
  EXPECT_NE(table.find("split †"), std::string::npos) << table;
  EXPECT_NE(table.find("† changes the training: the released trainer"), std::string::npos) << table;
  EXPECT_EQ(table.find("plain †"), std::string::npos) << table;
  const std::string csv = SummaryCsv(rows, experiment.baselines);
  EXPECT_NE(csv.find("faster_than plain share"), std::string::npos);
  EXPECT_NE(csv.find("changes_training"), std::string::npos);
}

TEST(TrainingChanges, NameTheReleasedTrainerAndSamplesThatWait) {
  const auto released = Plugin<BatchScheduler>("dflop-as-released");
  EXPECT_EQ(TrainingChanges(*released, 0).size(), 1u);
  const auto wlb = Plugin<BatchScheduler>("wlb-llm");
  EXPECT_TRUE(TrainingChanges(*wlb, 0).empty());
  EXPECT_EQ(TrainingChanges(*wlb, 3).size(), 1u);
  for (const char* name : {"random", "in-order", "dflop", "lpt-2d", "makespan", "disttrain", "orchmllm"}) {
    EXPECT_TRUE(TrainingChanges(*Plugin<BatchScheduler>(name), 0).empty()) << name;
  }
}

TEST(TrainingNote, SaysOnceWhatSeveralPoliciesDo) {
  TrainingNote note;
  EXPECT_EQ(note.Text(), "");
  note.Add("plain", {});
  note.Add("late", {"samples wait"});
  note.Add("later", {"samples wait", "half of the loss is lost"});
  EXPECT_EQ(note.Text(), "† changes the training: samples wait (late, later); half of the loss is lost (later)");
}

}  // namespace
}  // namespace dflop
