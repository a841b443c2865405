// Encoders in the bubbles of the LLM's pipeline: by hand, against the layout's own order, and in the simulated step.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.hpp"
#include "policies/api/infeasible.hpp"
#include "policies/api/layout_pipeline.hpp"
#include "policies/pipeline_search/late_times.hpp"
#include "sim/build/deadlock.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/engine/engine.hpp"
#include "tests/input_error.hpp"
#include "tests/policies/schedule_support.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

/// One chunk per device and microbatches alike, of an LLM and one encoder.
ScheduleProblem AlikeWithEncoder(int devices, int microbatches, const StageTimes& llm, const StageTimes& encoder) {
  ScheduleProblem problem{devices, microbatches, 1, InTurn(devices, 1)};
  problem.times.assign(Index(devices), std::vector<StageTimes>(Index(microbatches), llm));
  problem.transfers.assign(Index(devices - 1), std::vector<Seconds>(Index(microbatches)));
  problem.encoders = 1;
  problem.encoder_times.assign(Index(devices), {1, std::vector<StageTimes>(Index(microbatches), encoder)});
  return problem;
}

/// Times of an LLM's stage from 0.1 to 1.1 s, of an encoder's share up to `share` of that; messages up to 0.2 s.
ScheduleProblem RandomWithEncoders(int devices, int microbatches, int encoders, double share, RandomStream& random) {
  ScheduleProblem problem = AlikeWithEncoder(devices, microbatches, {}, {});
  const auto seconds = [&](double factor) { return Seconds(factor * (0.1 + random.Uniform())); };
  for (std::vector<StageTimes>& stage : problem.times) {
    for (StageTimes& times : stage) times = {seconds(1), seconds(1), seconds(1)};
  }
  for (std::vector<Seconds>& hop : problem.transfers) {
    for (Seconds& transfer : hop) transfer = Seconds(0.2 * random.Uniform());
  }
  problem.encoders = encoders;
  const std::vector<StageTimes> none(Index(microbatches));
  problem.encoder_times.assign(Index(devices), {Index(encoders), none});
  for (auto& device : problem.encoder_times) {
    for (auto& encoder : device) {
      for (StageTimes& times : encoder) times = {seconds(share), seconds(share), seconds(share)};
    }
  }
  for (int k = 0; k < microbatches; ++k) problem.encoder_transfers.emplace_back(0.2 * random.Uniform());
  return problem;
}

ScheduleProblem LlmAlone(ScheduleProblem problem) {
  problem.encoders = 0;
  return problem;
}

/// What a layout does by itself: all encoders' forwards, the LLM, all their backwards.
std::vector<DeviceOrder> BeforeAndBehind(const std::string& base, const ScheduleProblem& problem) {
  std::vector<DeviceOrder> whole;
  for (const DeviceOrder& llm : Make(base)->Orders(LlmAlone(problem))) {
    std::vector<ScheduledOp> order;
    const auto add = [&](OpKind kind) {
      for (int k = 0; k < problem.microbatches; ++k) {
        for (int e = 0; e < problem.encoders; ++e) order.push_back({kind, k, 1 + e});
      }
    };
    add(OpKind::kForward);
    order.insert(order.end(), llm.begin(), llm.end());
    add(OpKind::kBackward);
    whole.emplace_back(std::move(order));
  }
  return whole;
}

constexpr StageTimes kLlm{Seconds(2), Seconds(2), Seconds(2)};
constexpr StageTimes kShare{Seconds(1), Seconds(1), Seconds(1)};

TEST(Optimus, WhatFitsIntoBubblesTakesNoTime) {
  // Two devices, two microbatches; LLM 2 and 4 s a stage, encoder 1 and 2 s a share. 1F1B alone:
  //   device 0  F0 0–2  F1 2–4   B0 8–12  B1 14–18       device 1  F0 2–4  B0 4–8  F1 8–10  B1 10–14
  // F1 of device 0 may wait to 6. Before F0 nobody can do anything but encode microbatch 0, behind B1 nobody but its
  // backward: 1 + 18 + 2 = 21 s at least. Everything else has room: a second before F1 on device 0, two before F0 on
  // device 1; two between B0 and B1 on device 0 and four behind B1 on device 1, in which microbatch 0 comes back.
  const ScheduleProblem problem = AlikeWithEncoder(2, 2, kLlm, kShare);
  EXPECT_DOUBLE_EQ(RunOrders(Make("1f1b")->Orders(LlmAlone(problem)), LlmAlone(problem)).makespan.value(), 18);
  EXPECT_DOUBLE_EQ(RunOrders(Make("optimus")->Orders(problem), problem).makespan.value(), 21);
  // All before and behind: 2 s, 18 s, and 4 s of device 0's backwards.
  EXPECT_DOUBLE_EQ(RunOrders(BeforeAndBehind("1f1b", problem), problem).makespan.value(), 24);
}

TEST(Optimus, MessagesToTheLlmComeBeforeTheDeadline) {
  // The same with a second on the way to the LLM and one back. Both ends of the step are that much longer, in which
  // device 0 encodes microbatch 1: the LLM runs from 2 to 20 s. The gradient of microbatch 0 comes back at 15, a second
  // before device 0's next backward: its share of 2 s waits for the end, or holds up what comes then, and goes before
  // that of microbatch 1, whose gradient comes at 21: 20 + 2 + 2 = 24 s either way.
  ScheduleProblem problem = AlikeWithEncoder(2, 2, kLlm, kShare);
  problem.encoder_transfers.assign(2, Seconds(1));
  EXPECT_DOUBLE_EQ(RunOrders(Make("optimus")->Orders(problem), problem).makespan.value(), 24);
}

TEST(Optimus, LateTimesKeepTheMakespan) {
  // Of the example above: F1 of device 0 from 2 to 6, its B0 from 8 to 10; device 1 has no slack.
  const ScheduleProblem problem = LlmAlone(AlikeWithEncoder(2, 2, kLlm, kShare));
  const TimedOrders late = AsLateAsPossible(RunOrders(Make("1f1b")->Orders(problem), problem), problem);
  const std::vector<std::vector<double>> starts = {{0, 6, 10, 14}, {2, 4, 8, 10}};
  for (std::size_t device = 0; device < 2; ++device) {
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_DOUBLE_EQ(late.devices[device][i].start.value(), starts[device][i]) << device << " " << i;
    }
  }
}

TEST(Optimus, IsNeverPredictedToTakeLongerThanAllBeforeAndBehind) {
  // Nor less than the LLM alone with the first share before it, or than the busiest device. Checked() proves every
  // order whole and able to end.
  RandomStream random(5, "encoders in bubbles");
  int shorter = 0;
  constexpr int kProblems = 200;
  for (int i = 0; i < kProblems; ++i) {
    const int p = 1 + static_cast<int>(random.Below(6)), m = 1 + static_cast<int>(random.Below(12));
    const double share = i % 4 == 0 ? 1 : 0.2;
    const ScheduleProblem problem = RandomWithEncoders(p, m, 1 + static_cast<int>(random.Below(2)), share, random);
    const std::string base = i % 3 == 0 ? "zb-h1" : i % 3 == 1 ? "1f1b" : R"({"name": "list", "evaluations": 20})";
    const std::string spec =
        R"({"name": "optimus", "base": )" + (base.front() == '{' ? base : "\"" + base + "\"") + "}";
    const double placed = RunOrders(Make(spec)->Orders(problem), problem).makespan.value();
    const double plain = RunOrders(BeforeAndBehind(base, problem), problem).makespan.value();
    const double alone = RunOrders(Make(base)->Orders(LlmAlone(problem)), LlmAlone(problem)).makespan.value();
    EXPECT_LE(placed, plain * (1 + 1e-9)) << i;
    EXPECT_GT(placed, alone) << i;
    for (int d = 0; d < p; ++d) {
      double busy = 0;
      for (int k = 0; k < m; ++k) {
        busy += (problem.At(d, k).forward + problem.At(d, k).backward()).value();
        for (int e = 0; e < problem.encoders; ++e) {
          const StageTimes times = problem.EncoderAt(d, e, k);
          busy += (times.forward + times.backward()).value();
        }
      }
      EXPECT_GE(placed * (1 + 1e-12), busy) << i;
    }
    shorter += placed < 0.99 * plain ? 1 : 0;
  }
  EXPECT_GE(shorter, kProblems / 2);
}

TEST(Optimus, NoTimeAtAllIsNoDeadlock) {
  // Everything at one instant: what stands where is decided by places alone.
  const StageTimes none{Seconds(0), Seconds(0), Seconds(0)};
  for (const StageTimes& llm : {none, kLlm}) {
    for (const StageTimes& encoder : {none, kShare}) {
      const ScheduleProblem problem = AlikeWithEncoder(3, 5, llm, encoder);
      const TimedOrders run = RunOrders(Make("optimus")->Orders(problem), problem);
      // 1F1B takes (5 + 2)·6 s; of the encoder a share before and one behind stay, or five of each where it is alone.
      const double expected = llm.forward > Seconds(0) ? 42 + (encoder.forward > Seconds(0) ? 3 : 0)
                                                       : (encoder.forward > Seconds(0) ? 15 : 0);
      EXPECT_GE(run.makespan.value(), expected);
      EXPECT_LE(run.makespan, RunOrders(BeforeAndBehind("1f1b", problem), problem).makespan);
    }
  }
}

TEST(Optimus, RefusalsNameTheCause) {
  const ScheduleProblem without = LlmAlone(AlikeWithEncoder(2, 2, kLlm, kShare));
  try {
    Make("optimus")->Orders(without);
    FAIL() << "placed nothing";
  } catch (const Infeasible& reason) {
    EXPECT_NE(std::string(reason.what()).find("here is none: a `fixed` layout spreads one"), std::string::npos);
  }
  ExpectError(ErrorOf([] { Make(R"({"name": "optimus", "base": "zb-v"})"); }), "/base: has several chunks");
  ExpectError(ErrorOf([] { Make(R"({"name": "optimus", "base": "optimus"})"); }), "/base: places encoders itself");
  ExpectError(ErrorOf([] { Make(R"({"name": "optimus", "base": "1f1c"})"); }), "/base");
}

TEST(OrderCheck, SharesOfEncodersAreOperationsAsAny) {
  // One device, one microbatch: encode, forward, backward, and back through the encoder.
  const ScheduleProblem problem = AlikeWithEncoder(1, 1, {}, {});
  const ScheduledOp encode{OpKind::kForward, 0, 1}, back{OpKind::kBackward, 0, 1};
  const ScheduledOp forward{OpKind::kForward, 0, 0}, backward{OpKind::kBackward, 0, 0};
  EXPECT_EQ(WhyOrdersFail({{encode, forward, backward, back}}, problem), "");
  EXPECT_EQ(WhyOrdersFail({{encode, forward, backward}}, problem),
            "never runs backward of microbatch 0, encoder 0, on device 0");
  EXPECT_EQ(
      WhyOrdersFail({{forward, encode, backward, back}}, problem),
      "deadlock, waits for ever: forward of microbatch 0, chunk 0, on device 0 → forward of microbatch 0, encoder "
      "0, on device 0, which stands behind forward of microbatch 0, chunk 0, on device 0");
  EXPECT_NE(WhyOrdersFail({{encode, forward, back, backward}}, problem).find("encoder 0, on device 0 → backward"),
            std::string::npos);
  EXPECT_NE(WhyOrdersFail({{{OpKind::kForward, 0, 2}}}, problem), "");
}

/// A layout whose encoder is spread over `llm`'s devices.
Layout SpreadOver(const CostModel& cost, const ModuleDegrees& llm, int microbatches) {
  const SeparateDegrees degrees{.encoders = {{.tp = 1, .spread = true}},
                                .llm = llm,
                                .microbatches = microbatches,
                                .communicator = Communicator::kDirect};
  return BuildLayout(degrees, cost.model(), cost.cluster());
}

TEST(Optimus, StandsInTheGraphWhereItPlacedTheEncoders) {
  // The first example by its graph, which knows nothing of what was predicted: 21 s.
  const CostModel cost = SmallJob();
  const Layout layout = SpreadOver(cost, {.tp = 1, .pp = 2, .dp = 1}, 2);
  const auto schedule = Make("optimus");
  const LayoutPipeline pipeline(*schedule, layout);
  EXPECT_EQ(pipeline.shape().encoders, 1);
  std::vector<DeviceOrder> orders(layout.groups.size());
  pipeline.Give(schedule->Orders(AlikeWithEncoder(2, 2, kLlm, kShare)), LayoutPipeline::kAllRows, orders);
  const StepCosts costs = HandMadeCosts(layout, [&](const Stage& stage, int) {
    return cost.model().is_llm(stage.parts.front().module) ? std::pair(2.0, 4.0) : std::pair(1.0, 2.0);
  });
  const OperationGraph graph =
      BuildGraph({cost, layout, orders}, TinyWork(cost, layout), costs, {.communication = kNoCommunication});
  EXPECT_DOUBLE_EQ(MakeReplayEngine()->Run(graph).makespan.value(), 21);
}

TEST(Optimus, WithoutTimesItIsTheLayoutsOwnOrder) {
  const CostModel cost = SmallJob();
  const Layout layout = SpreadOver(cost, {.tp = 2, .pp = 2, .dp = 2}, 4);
  EXPECT_EQ(OrdersOf(*Make("optimus"), layout), OrdersOf(*Make("1f1b"), layout));
}

/// Asks another schedule and keeps what it was asked.
class Listening final : public PipelineSchedule {
 public:
  explicit Listening(const std::string& spec) : schedule_(Make(spec)) {}
  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    asked = problem;
    answered = schedule_->Orders(problem);
    return answered;
  }
  int chunks() const override { return schedule_->chunks(); }
  bool places_encoders() const override { return schedule_->places_encoders(); }
  bool per_step() const override { return true; }

  mutable ScheduleProblem asked;
  mutable std::vector<DeviceOrder> answered;

 private:
  std::unique_ptr<PipelineSchedule> schedule_;
};

/// When the last computation of microbatches ends: what follows is no schedule's.
double LastPass(const OperationGraph& graph, const OperationTimes& times) {
  double last = 0;
  for (std::size_t i = 0; i < graph.operations.size(); ++i) {
    const Operation& operation = graph.operations[i];
    if (operation.microbatch < 0 || operation.kind == OpKind::kTransfer) continue;
    last = std::max(last, times.end[i].value());
  }
  return last;
}

/// A step under both engines, where replicas are tied together by what they encode for each other.
void ExpectPrediction(int replicas, double at_least, double at_most) {
  const CostModel cost = SmallJob();
  const Layout layout = SpreadOver(cost, {.tp = 1, .pp = 4, .dp = replicas}, 8);
  const std::vector<SampleShape> batch = UnevenSamples(48, 3);
  const auto plain = OrdersOf(*Make("1f1b"), layout);
  RandomStream random(1, "batching");
  const BatchProblem problem = MakeBatchProblem(BatchContext{{cost, layout, plain}, batch});
  const StepWork work = DivideWork(Plugin<BatchScheduler>("random")->Schedule(problem, random), layout, cost, batch);
  const Listening schedule("optimus");
  const auto own = OrdersOfStep(schedule, {cost, layout, plain}, work);
  ASSERT_FALSE(own.empty());
  for (int r = 1; r < replicas; ++r) EXPECT_EQ(own[0], own[Index(r)]) << "the first device of all replicas";
  const double predicted = RunOrders(schedule.answered, schedule.asked).makespan.value();
  const StepCosts costs = PriceStep(cost, layout, work);
  const OperationGraph graph = BuildGraph({cost, layout, own}, work, costs);
  const OperationGraph before = BuildGraph({cost, layout, plain}, work, costs);
  for (const std::string& name : EngineNames()) {
    const auto engine = MakeEngine(name, cost.cluster());
    const double took = LastPass(graph, engine->Run(graph));
    EXPECT_GE(took, predicted * at_least) << name;
    EXPECT_LE(took, predicted * at_most) << name;
    EXPECT_LT(took, LastPass(before, engine->Run(before))) << name;
  }
}

TEST(Optimus, BothEnginesTakeAsLongAsWasPredicted) {
  // Messages on their way back are taken to be as long as forward, and under simgrid share links: a hundredth.
  ExpectPrediction(1, 0.99, 1.01);
  // Two replicas go as one that takes the slower one's time in every microbatch: less is what they take.
  ExpectPrediction(2, 0.9, 1.01);
}

TEST(Optimus, NoStepDeadlocks) {
  // A hub sends one microbatch after the other, messages between stages may block, Entrain's batches wait for what
  // earlier microbatches encode, and an LLM whose microbatches overtake each other wants them in another order.
  RandomStream random(6, "steps");
  for (int round = 0; round < 60; ++round) {
    SoftwareStack software;
    software.blocking_sends = round % 4 == 3;
    const CostModel cost = SmallJob(1, software);
    const int pp = 1 + static_cast<int>(random.Below(4)), dp = 1 + static_cast<int>(random.Below(2));
    SeparateDegrees degrees{.encoders = {{.tp = 1, .spread = true}},
                            .llm = {.tp = 1, .pp = pp, .dp = dp},
                            .microbatches = 2 + static_cast<int>(random.Below(6)),
                            .communicator = round % 2 == 0 ? Communicator::kHub : Communicator::kDirect};
    const Layout layout = BuildLayout(degrees, cost.model(), cost.cluster());
    const std::string base = round % 3 == 0 && !software.blocking_sends ? "list" : "1f1b";
    const auto schedule = Make(R"({"name": "optimus", "base": ")" + base + "\"}");
    const auto before = OrdersOf(*schedule, layout);
    const std::vector<SampleShape> batch = UnevenSamples(6 * dp * degrees.microbatches, static_cast<unsigned>(round));
    const BatchProblem problem = MakeBatchProblem(BatchContext{{cost, layout, before}, batch});
    const std::string batching = round % 5 == 0 && base == "1f1b" ? "entrain" : "random";
    const StepWork work = DivideWork(Plugin<BatchScheduler>(batching)->Schedule(problem, random), layout, cost, batch);
    const Job job{cost, layout, before};
    EXPECT_EQ(WhyDeadlocked(job.With(OrdersOfStep(*schedule, job, work)), work), "") << round;
  }
}

// Microbatches that overtake each other may wait in a circle where a later one holds what an earlier one encodes.
TEST(OrdersByTimes, StayTheJobsWhereOvertakingWouldWaitForEncodersInACircle) {
  RandomStream random(9, "steps");
  const CostModel cost = SmallJob(1);
  int deferred = 0, kept = 0;
  for (const std::string name : {"list", "best"}) {
    const auto schedule = Plugin<PipelineSchedule>(name);
    for (unsigned round = 0; round < 20; ++round) {
      const Layout layout = BuildLayout(HomogeneousDegrees{.pp = 2, .dp = 1, .encoder_stages = 1, .microbatches = 4},
                                        cost.model(), cost.cluster());
      const auto before = OrdersOf(*schedule, layout);
      const std::vector<SampleShape> batch = UnevenSamples(12, round);
      const BatchProblem problem = MakeBatchProblem(BatchContext{{cost, layout, before}, batch});
      const BatchPlan plan = Plugin<BatchScheduler>("entrain")->Schedule(problem, random);
      const StepWork work = DivideWork(plan, layout, cost, batch);
      const Job job{cost, layout, before};
      const std::vector<DeviceOrder> own = OrdersOfStep(*schedule, job, work);
      const std::vector<DeviceOrder>& used = own.empty() ? before : own;
      EXPECT_EQ(WhyDeadlocked(job.With(used), work), "") << name << ", " << round;
      if (!work.encoded_in.empty()) ++deferred;
      if (!work.encoded_in.empty() && own.empty()) ++kept;
    }
  }
  EXPECT_GE(deferred, 10);
  EXPECT_GE(kept, 1);
}

}  // namespace
}  // namespace dflop
