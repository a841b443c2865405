// Schedules that look at times: what they are asked in every step, and that their answers reach graph, hash, plan file
// and real runner.
#include "policies/api/schedule_problem.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/error.hpp"
#include "base/json.hpp"
#include "experiments/run/planning.hpp"
#include "experiments/run/point_run.hpp"
#include "experiments/spec/experiment.hpp"
#include "policies/api/checked_plugins.hpp"
#include "real_runner/execute/run_session.hpp"
#include "real_runner/program/plan_check.hpp"
#include "real_runner/program/step_program.hpp"
#include "sim/plan/decision_hash.hpp"
#include "tests/experiments/small_experiment.hpp"
#include "tests/real_runner/runner_plans.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

std::vector<ScheduleProblem>& Asked() {
  static std::vector<ScheduleProblem> asked;
  return asked;
}

/// All forwards, then all backwards, the microbatches with the longest forwards first.
class LongestFirst final : public PipelineSchedule {
 public:
  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    Asked().push_back(problem);
    std::vector<int> turns(Index(problem.microbatches));
    std::iota(turns.begin(), turns.end(), 0);
    const auto forward = [&](int k) {
      Seconds sum{0};
      for (int stage = 0; stage < problem.stages(); ++stage) sum += problem.At(stage, k).forward;
      return sum;
    };
    std::stable_sort(turns.begin(), turns.end(), [&](int a, int b) { return forward(a) > forward(b); });
    DeviceOrder order;
    for (const OpKind kind : {OpKind::kForward, OpKind::kBackward}) {
      for (const int k : turns) order.push_back({kind, k});
    }
    return std::vector<DeviceOrder>(Index(problem.devices), order);
  }
  bool per_step() const override { return true; }
};

/// Two chunks of every device, the second on the way back.
class VShape final : public PipelineSchedule {
 public:
  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    DeviceOrder order;
    for (int k = 0; k < problem.microbatches; ++k) {
      for (const int chunk : {0, 1}) order.push_back({OpKind::kForward, k, chunk});
      for (const int chunk : {1, 0}) order.push_back({OpKind::kBackward, k, chunk});
    }
    return std::vector<DeviceOrder>(Index(problem.devices), order);
  }
  int chunks() const override { return 2; }
  Placement placement(int devices) const override {
    Placement placement;
    for (int d = 0; d < devices; ++d) placement.push_back(d);
    for (int d = devices - 1; d >= 0; --d) placement.push_back(d);
    return placement;
  }
};

/// Not before a test wants it: other tests ask something of every plug-in that is registered when they start.
constexpr const char* kName = "toy-longest-first";
void RegisterLongestFirst() {
  [[maybe_unused]] static const Registration<PipelineSchedule> kLongestFirst{
      {kName, "all forwards, then all backwards, long microbatches first", {}},
      [](const Parameters&) { return std::make_unique<LongestFirst>(); }};
}

/// A step of a layout: its batches, its costs, and what a schedule that looks at them was asked.
struct AskedStep {
  CostModel cost = SmallJob();
  Layout layout;
  std::vector<DeviceOrder> orders;
  StepWork work;
  StepCosts costs;
  std::vector<DeviceOrder> own;
  std::vector<ScheduleProblem> problems;

  explicit AskedStep(Layout placed, const std::string& batching = "in-order")
      : layout(std::move(placed)), orders(OrdersOf(LongestFirst(), layout)) {
    const Job job{cost, layout, orders};
    const std::vector<SampleShape> batch = UnevenSamples(24, 3);
    RandomStream random(1, "batching");
    const BatchProblem problem = MakeBatchProblem(BatchContext{{cost, layout, orders}, batch});
    work = DivideWork(Plugin<BatchScheduler>(batching)->Schedule(problem, random), layout, cost, batch);
    costs = PriceStep(cost, layout, work);
    Asked().clear();
    own = OrdersOfStep(*Checked(std::make_unique<LongestFirst>(), kName), job, work);
    problems = Asked();
  }

  const PartCost& At(int stage, int k) const { return costs.stages[Index(stage)][Index(k)]; }
};

TEST(ScheduleProblem, AsksEveryReplicaWithThePredictedTimesOfItsStages) {
  const AskedStep step(Homogeneous({1, 2, 2, 1, 4}));
  ASSERT_EQ(step.problems.size(), 2u);
  const OperationGraph graph = BuildGraph(Job{step.cost, step.layout, step.orders}, step.work, step.costs);
  for (int r = 0; r < 2; ++r) {
    const ScheduleProblem& problem = step.problems[Index(r)];
    EXPECT_EQ(problem.placement, (Placement{0, 1}));
    for (int s = 0; s < 2; ++s) {
      for (int k = 0; k < 4; ++k) {
        const PartCost& cost = step.At(2 * r + s, k);
        EXPECT_EQ(problem.At(s, k).forward, cost.forward.time);
        EXPECT_EQ(problem.At(s, k).backward_input, cost.backward.time);
        EXPECT_EQ(problem.At(s, k).backward_weight, cost.weight_gradient.time);
      }
    }
    for (std::size_t i = 0; i < graph.operations.size(); ++i) {
      const Operation& operation = graph.operations[i];
      if (operation.kind != OpKind::kTransfer || operation.stage != 2 * r) continue;
      EXPECT_GT(graph.durations[i], Seconds(0));
      EXPECT_EQ(problem.Transfer(0, operation.microbatch), graph.durations[i]);
    }
  }
}

TEST(ScheduleProblem, AnswersAreTheOrdersOfTheReplica) {
  const AskedStep step(Homogeneous({1, 2, 2, 1, 4}));
  ASSERT_EQ(step.own.size(), step.layout.groups.size());
  for (std::size_t s = 0; s < step.layout.stages.size(); ++s) {
    const Stage& stage = step.layout.stages[s];
    const ScheduleProblem& problem = step.problems[Index(stage.replica)];
    EXPECT_EQ(step.own[Index(stage.group)], LongestFirst().Orders(problem).front());
  }
  EXPECT_NE(step.own[0], step.own[1]) << "replicas with other batches";
}

TEST(ScheduleProblem, ReplicasThatAreTiedToEachOtherAreOneAsSlowAsTheSlowest) {
  const AskedStep hub(Separate({1, 1, 2}, {1, 1, 2}, 4, Communicator::kHub));
  ASSERT_EQ(hub.problems.size(), 1u);
  for (int k = 0; k < 4; ++k) {
    for (const int s : {0, 1}) {  // the encoder's two replicas stand before the LLM's
      EXPECT_EQ(hub.problems[0].At(s, k).forward,
                std::max(hub.At(2 * s, k).forward.time, hub.At(2 * s + 1, k).forward.time));
    }
    EXPECT_GT(hub.problems[0].Transfer(0, k), Seconds(0)) << "the hub's messages";
  }
  EXPECT_EQ(AskedStep(Homogeneous({1, 2, 2, 1, 4}), "orchmllm").problems.size(), 1u) << "tiles are exchanged";
}

TEST(ScheduleProblem, StagesOfOneChunkCountTogether) {
  const AskedStep step(Homogeneous({1, 1, 2, 0, 4}));
  ASSERT_EQ(step.problems.size(), 2u);
  EXPECT_EQ(step.problems[1].placement, Placement{0});
  EXPECT_EQ(step.problems[1].At(0, 3).forward, step.At(2, 3).forward.time + step.At(3, 3).forward.time);
}

TEST(ScheduleProblem, AFrozenEncoderHasNoBackward) {
  AskedStep step(Homogeneous({1, 2, 1, 1, 4}));
  ModelSpec model = SmallVlm();
  model.encoders[0].frozen = model.encoders[0].projector_frozen = true;
  const CostModel frozen(model, A100Nodes(1), BuiltInKernelCosts(A100Nodes(1).only_node().gpu), {});
  const std::vector<bool> needed = PriceStep(frozen, step.layout, step.work).needs_backward;
  Asked().clear();
  OrdersOfStep(LongestFirst(), {frozen, step.layout, step.orders}, step.work);
  EXPECT_EQ(needed, (std::vector<bool>{false, true}));
  for (int s = 0; s < 2; ++s) EXPECT_EQ(Asked().front().At(s, 0).backward() > Seconds(0), needed[Index(s)]);
}

TEST(ScheduleProblem, WhoLooksAtNoTimesIsNotAskedAgain) {
  const AskedStep step(Homogeneous({1, 2, 2, 1, 4}));
  const auto schedule = Plugin<PipelineSchedule>("1f1b");
  const auto orders = OrdersOf(*schedule, step.layout);
  EXPECT_TRUE(OrdersOfStep(*schedule, {step.cost, step.layout, orders}, step.work).empty());
  const Layout one = Homogeneous({1, 2, 1, 1, 1});
  EXPECT_TRUE(AskedStep(one).own.empty()) << "a single microbatch has a single order: the job's";
}

/// Finds orders while it knows no times, none when it does.
class GivesUp final : public PipelineSchedule {
 public:
  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    if (!problem.times.empty()) throw Infeasible("too long");
    return LongestFirst().Orders(problem);
  }
  bool per_step() const override { return true; }
};

TEST(ScheduleProblem, AScheduleThatGivesUpInAStepIsBlamedItself) {
  const AskedStep step(Homogeneous({1, 2, 2, 1, 4}));
  try {
    OrdersOfStep(GivesUp(), {step.cost, step.layout, step.orders}, step.work);
    FAIL() << "found orders";
  } catch (const Infeasible& reason) {
    EXPECT_EQ(reason.key(), "/pipeline");
    EXPECT_STREQ(reason.what(), "too long");
  }
}

TEST(ScheduleProblem, StagesMustStandWhereTheScheduleWantsThem) {
  Layout layout = Homogeneous({.tp = 1, .pp = 2, .dp = 1, .encoder_stages = 1, .microbatches = 2, .chunks = 2});
  const auto schedule = Checked(std::make_unique<VShape>(), "v");
  try {
    OrdersOf(*schedule, layout);
    FAIL() << "accepted";
  } catch (const Infeasible& reason) {
    EXPECT_EQ(std::string(reason.what()), "the schedule wants its stages on devices 0 1 1 0 of a pipeline, layout " +
                                              layout.name + " has them on 0 1 0 1");
  }
  std::swap(layout.stages[2].group, layout.stages[3].group);
  EXPECT_EQ(OrdersOf(*schedule, layout).size(), 2u);
  EXPECT_THROW(OrdersOf(*Plugin<PipelineSchedule>("interleaved"), layout), Infeasible);
  EXPECT_THROW(OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout), Infeasible) << "one chunk torn apart";
}

/// The first policy of the small experiment with this schedule.
Experiment ExperimentWith(const std::string& pipeline, const TemporaryFolder& folder) {
  RegisterLongestFirst();
  Json json = SmallExperiment();
  Json& policy = json["policies"].as<Json::Array>()[0];
  policy["pipeline"] = pipeline;
  policy["layout"]["microbatches"] = 4;
  policy["layout"]["uniform"]["dp"] = 1;
  const std::string path = folder / "e.json";
  WriteJsonFile(path, json);
  return ReadExperiment(path);
}

/// A run of one seed held against its parts: job, batches, and the orders that every step is asked for.
TEST(PerStepSchedule, OrdersOfAStepMakeItsGraphAndItsHash) {
  const TemporaryFolder folder;
  const Experiment experiment = ExperimentWith(kName, folder);
  const Scenario& scenario = experiment.points.front().scenario;
  const PolicySpec& policy = scenario.policies.front();
  const Json run =
      RunUnit(Unit{&experiment, &experiment.points.front(), &policy, false, {1}}).as<Json::Array>().front();

  const PlannedJob job = PlanJob(scenario, policy, 1);
  DecisionHash hash(job.decision.layout, job.orders);
  DecisionHash without(job.decision.layout, job.orders);
  std::vector<std::vector<DeviceOrder>> steps;
  for (int number = 0; number < experiment.steps; ++number) {
    const std::vector<SampleShape> batch = DrawBatch(scenario, 1, number);
    RandomStream random = BatchingStream(scenario, 1, number);
    const BatchProblem problem = MakeBatchProblem(job.cost, job.decision.layout, batch);
    const BatchPlan plan = policy.MakeBatcher()->Schedule(problem, random);
    const StepWork work = DivideWork(plan, job.decision.layout, job.cost, batch);
    steps.push_back(OrdersOfStep(*policy.MakeSchedule(), job.job(), work));
    hash.AddStep(plan, steps.back());
    without.AddStep(plan);
    if (number > 0) continue;
    const Step step = SimulateStep(job.job().With(steps.back()), plan, batch, *MakeReplayEngine());
    EXPECT_EQ(run.find("under_cost_draws")->find("as_predicted_s")->number(), step.times.makespan.value());
    EXPECT_NE(SimulateStep(job.job(), plan, batch, *MakeReplayEngine()).times.makespan, step.times.makespan);
  }
  EXPECT_NE(steps[0], steps[1]);
  const std::string stored = run.find("decision_hash")->as<std::string>();
  EXPECT_EQ(stored, hash.Hex());
  EXPECT_NE(stored, without.Hex());
}

TEST(PerStepSchedule, ARunNamesTheScheduleThatWasBest) {
  const TemporaryFolder folder;
  const Experiment experiment = ExperimentWith("best", folder);
  const PolicySpec& policy = experiment.points.front().scenario.policies.front();
  const Json run =
      RunUnit(Unit{&experiment, &experiment.points.front(), &policy, false, {1}}).as<Json::Array>().front();
  ASSERT_NE(run.find("scheduler_notes"), nullptr) << run.Dump();
  const std::string note = run.find("scheduler_notes")->as<Json::Array>().front().as<std::string>();
  EXPECT_TRUE(note.starts_with("best: ")) << note;
}

Plan PerStepPlan() {
  RegisterLongestFirst();
  PlanRecipe recipe{Homogeneous({1, 2, 2, 1, 4})};
  recipe.pipeline = kName;
  recipe.steps = 2;
  return MakePlan(SmallJob(), recipe);
}

TEST(PerStepSchedule, PlanFilesHoldTheOrdersOfTheirSteps) {
  const Plan plan = PerStepPlan();
  EXPECT_NE(plan.OrdersIn(0), plan.orders);
  EXPECT_NE(plan.OrdersIn(0), plan.OrdersIn(1));
  const Json json = ToJson(plan);
  const Plan read = ReadPlan(JsonReader(json, "plan.json"));
  for (const std::size_t step : {0u, 1u}) EXPECT_EQ(read.OrdersIn(step), plan.OrdersIn(step));
  EXPECT_EQ(ToJson(read).Dump(), json.Dump());
  const Json fixed = ToJson(MakePlan(SmallJob(), {Homogeneous({1, 2, 2, 1, 4}), "gpipe"}));
  EXPECT_EQ(fixed.find("steps")->as<Json::Array>().front().find("orders"), nullptr);
}

TEST(PerStepSchedule, TheRunnerChecksTheOrdersOfEveryStep) {
  const auto complaint = [](const Plan& plan) -> std::string {
    try {
      CheckPlan(plan, "plan.json");
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  };
  const Plan plan = PerStepPlan();
  EXPECT_EQ(complaint(plan), "");
  Plan cut = plan;
  const std::span<const ScheduledOp> whole = plan.steps[1].orders[2].all();
  cut.steps[1].orders[2] = std::vector(whole.begin(), whole.end() - 1);
  EXPECT_TRUE(complaint(cut).starts_with("plan.json:/steps/1/orders/2: leaves out")) << complaint(cut);
  Plan stuck = plan;
  std::vector<ScheduledOp> turned(plan.steps[1].orders[0].begin(), plan.steps[1].orders[0].end());
  std::swap(turned.front(), turned.back());
  stuck.steps[1].orders[0] = turned;
  EXPECT_TRUE(complaint(stuck).starts_with("plan.json:/steps/1/orders: ")) << complaint(stuck);
  Plan mixed = plan;
  mixed.steps[1].orders.clear();
  EXPECT_TRUE(complaint(mixed).starts_with("plan.json:/steps/1/operations/")) << complaint(mixed);
  Json short_one = ToJson(plan);
  short_one["steps"].as<Json::Array>()[0]["orders"].as<Json::Array>().pop_back();
  EXPECT_THROW(ReadPlan(JsonReader(short_one, "plan.json")), InputError);
}

// Replicas that reduce every microbatch meet within the step: one that ran them in another order would wait for ever.
TEST(PerStepSchedule, ReplicasThatMeetWithinTheStepRunOneOrder) {
  SoftwareStack software;
  software.sharding = Sharding::kGradients;
  const CostModel cost = SmallJob(4, software);
  const Layout layout = BuildLayout(
      HomogeneousDegrees{.tp = 1, .pp = 3, .dp = 2, .encoder_stages = 1, .microbatches = 6}, SmallVlm(), A100Nodes(4));
  for (const std::string name : {"list", "zb-auto", "best"}) {
    const auto schedule = Plugin<PipelineSchedule>(name);
    const std::vector<DeviceOrder> orders = OrdersOf(*schedule, layout);
    bool changed = false;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      const std::vector<SampleShape> batch = UnevenSamples(24, seed);
      RandomStream random(seed, "deal");
      const BatchPlan plan = Plugin<BatchScheduler>("random")->Schedule(MakeBatchProblem(cost, layout, batch), random);
      const Job job{cost, layout, orders};
      const std::vector<DeviceOrder> own = OrdersOfStep(*schedule, job, DivideWork(plan, layout, cost, batch));
      changed = changed || !own.empty();
      const Job of_step = job.With(own);
      EXPECT_NO_THROW(SimulateStep(of_step, plan, batch, *MakeReplayEngine())) << name << " " << seed;
      for (std::size_t s = 0; s < layout.stages.size(); ++s) {
        const Stage& stage = layout.stages[s];
        const auto& twin = *std::find_if(layout.stages.begin(), layout.stages.end(), [&](const Stage& other) {
          return other.depth == stage.depth && other.replica == 0;
        });
        EXPECT_EQ(of_step.orders[Index(stage.group)], of_step.orders[Index(twin.group)]);
      }
    }
    EXPECT_TRUE(changed) << name << " never looks at a step";
  }
}

TEST(PerStepSchedule, RanksRunTheOrdersOfTheirStep) {
  const Plan plan = PerStepPlan();
  for (const std::size_t step : {0u, 1u}) {
    const StepProgram program = MakeStepProgram(plan, step);
    for (std::size_t rank = 0; rank < program.ranks.size(); ++rank) {
      const DeviceOrder& order = plan.OrdersIn(step)[rank];
      ASSERT_EQ(program.ranks[rank].actions.size(), order.size());
      for (std::size_t i = 0; i < order.size(); ++i) {
        EXPECT_EQ(program.ranks[rank].actions[i].kind, order[i].kind);
        EXPECT_EQ(program.ranks[rank].actions[i].microbatch, order[i].microbatch);
      }
    }
  }
  const SessionResult result = RunAsThreads({plan}, FindStageBackend("spin", RanksOf(plan), 0.01), {1, 0});
  EXPECT_EQ(result.failure, "");
  EXPECT_EQ(result.executions.size(), 2u);
}

}  // namespace
}  // namespace dflop
