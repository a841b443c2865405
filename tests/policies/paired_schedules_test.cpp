// Schedules that go both ways, in pairs, in parts of sequences or in waves: by their papers' laws and tables, and by a
// second derivation of every start under random costs.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <tuple>

#include "base/index.hpp"
#include "base/random.hpp"
#include "policies/api/infeasible.hpp"
#include "policies/api/v_placement.hpp"
#include "tests/policies/schedule_support.hpp"

namespace dflop {
namespace {

std::string With(const std::string& name, const std::string& parameter, double value) {
  return R"({"name": ")" + name + R"(", ")" + parameter + R"(": )" + std::to_string(value) + "}";
}
std::string With(const std::string& name, const std::string& parameter, int value) {
  return R"({"name": ")" + name + R"(", ")" + parameter + R"(": )" + std::to_string(value) + "}";
}

/// Seconds that the device which waits most is idle within the makespan.
double MostIdle(const TimedOrders& run) {
  double most = 0;
  for (const std::vector<TimedOp>& device : run.devices) {
    double busy = 0;
    for (const TimedOp& one : device) busy += (one.end - one.start).value();
    most = std::max(most, run.makespan.value() - busy);
  }
  return most;
}

TEST(DualPipeSchedule, TheVIdlesByTheLawWhereBackwardsTakeAsLongAsForwards) {
  // (p − 1)(F&B + BW − 3W) of p = 4 devices; F&B is `overlap` of F + B + W. F = B = W = 1: 3 · (3 + 2 − 3) = 6,
  // 3 · 1.5 and 3 · 1. The device that waits most runs 10 microbatches of two chunks, 60 s, in which it has 11 pairs:
  // makespans 60 + 6, 60 − 11/2 + 4.5 and 60 − 11 + 3.
  for (const auto& [overlap, idle, makespan] :
       std::vector<std::tuple<double, double, double>>{{1, 6, 66}, {2.5 / 3, 4.5, 59}, {2.0 / 3, 3, 52}}) {
    const TimedOrders run = RunOf(With("dualpipev", "overlap", overlap), 4, 10);
    EXPECT_NEAR(run.makespan.value(), makespan, 1e-4) << overlap;
    EXPECT_NEAR(MostIdle(run), idle, 1e-4) << overlap;
  }
  // F = B = 1, W below, pairs of .85: 3 · (.85 · (2 + W) + 1 + W − 3W).
  for (const auto& [weight, idle] : std::vector<std::pair<double, double>>{{.5, 6.375}, {.8, 5.34}, {1, 4.65}}) {
    EXPECT_NEAR(MostIdle(RunOf(With("dualpipev", "overlap", .85), 4, 10, {1, 1, weight})), idle, 1e-9) << weight;
  }
}

TEST(DualPipeSchedule, TwoPipelinesIdleByTheSameLaw) {
  // (p/2 − 1)(F&B + BW − 3W) of p devices (the table of DeepSeek's README); two copies of the weights and p + 1
  // microbatches of a stage.
  for (const int p : {2, 4, 8}) {
    for (const int m : {2 * p, 2 * p + 2, 4 * p}) {
      for (const double weight : {0.5, 1.0}) {
        const TimedOrders run = RunOf(With("dualpipe", "overlap", .75), p, m, {1, 1, weight});
        EXPECT_NEAR(MostIdle(run), (p / 2.0 - 1) * (.75 * (2 + weight) + 1 + weight - 3 * weight), 1e-9)
            << p << " " << m;
        EXPECT_DOUBLE_EQ(PeakOf(run), p + 1) << p << " " << m;
      }
    }
  }
}

TEST(ChimeraSchedule, HasTheSlotsOfThePaper) {
  // As many microbatches N as devices D. F = BW = 1: 2N + D − 2. BW = 2F: the authors' generator's table.
  const std::vector<std::tuple<int, double, double>> kTable = {
      {4, 10, 16}, {6, 16, 26}, {8, 22, 36}, {16, 46, 76}, {32, 94, 156}};
  for (const auto& [devices, equal, twice] : kTable) {
    const TimedOrders run = RunOf("chimera", devices, devices, {1, .5, .5});
    EXPECT_DOUBLE_EQ(run.makespan.value(), equal) << devices;
    EXPECT_DOUBLE_EQ(RunOf("chimera", devices, devices, {1, 1, 1}).makespan.value(), twice) << devices;
    const auto [least, most] = std::minmax_element(run.peak_activations.begin(), run.peak_activations.end());
    EXPECT_DOUBLE_EQ(*least, devices / 2.0 + 1);
    EXPECT_DOUBLE_EQ(*most, devices);
  }
  // One unit of D behind the other: 2N + D − 2 again.
  EXPECT_DOUBLE_EQ(RunOf("chimera", 4, 8, {1, .5, .5}).makespan.value(), 18);
  EXPECT_DOUBLE_EQ(RunOf("chimera", 4, 12, {1, .5, .5}).makespan.value(), 26);
  EXPECT_DOUBLE_EQ(RunOf("chimera", 8, 16, {1, .5, .5}).makespan.value(), 38);
}

TEST(SeqSchedule, IdlesAndHoldsByItsSplits) {
  // p 4, m 8, F 1, BW 2: 24 + 3 · 3/k seconds; (3 + k)/k microbatches.
  for (const auto& [splits, makespan, peak] :
       std::vector<std::tuple<int, double, double>>{{1, 33, 4}, {2, 28.5, 2.5}, {4, 26.25, 1.75}, {8, 25.125, 1.375}}) {
    const TimedOrders run = RunOf(With("seq1f1b", "splits", splits), 4, 8);
    EXPECT_DOUBLE_EQ(run.makespan.value(), makespan) << splits;
    EXPECT_DOUBLE_EQ(PeakOf(run), peak) << splits;
  }
  EXPECT_EQ(Make(With("seq1f1b", "splits", 1))->Orders({4, 8, 1, InTurn(4, 1)}),
            Make("1f1b")->Orders({4, 8, 1, InTurn(4, 1)}));
}

TEST(HanayoSchedule, IdlesLessWithEveryWave) {
  // No golden: the order is a guess. A second program with the same rule gives these shares of a makespan for as many
  // microbatches as devices, F 1 and BW 2; the paper's law has .400, .222, .118 and .452, .255, .136.
  const std::vector<std::tuple<int, int, double>> kShares = {{4, 1, .333}, {4, 2, .213}, {4, 4, .119},
                                                             {8, 1, .368}, {8, 2, .238}, {8, 4, .135}};
  for (const auto& [devices, waves, idle] : kShares) {
    const TimedOrders run = RunOf(With("hanayo", "waves", waves), devices, devices);
    EXPECT_NEAR(run.bubble_of_makespan(), idle, .0005) << devices << " " << waves;
  }
  EXPECT_EQ(InWaves(3, 4), (Placement{0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0}));
}

TEST(PairedSchedules, WhatDoesNotExistNamesTheNearestThatDoes) {
  const auto refusal = [](const std::string& name, int p, int m) -> std::string {
    try {
      RunOf(name, p, m);
    } catch (const Infeasible& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(refusal("dualpipev", 4, 7).find("as devices, 8, not 7"), std::string::npos) << refusal("dualpipev", 4, 7);
  EXPECT_EQ(refusal("dualpipev", 4, 8), "");
  EXPECT_NE(refusal("dualpipe", 5, 20).find("devices, not 5; 6 would do"), std::string::npos);
  EXPECT_NE(refusal("dualpipe", 4, 9).find("microbatches, not 9; 10 would do"), std::string::npos);
  EXPECT_NE(refusal("dualpipe", 4, 3).find("microbatches, not 3; 8 would do"), std::string::npos);
  EXPECT_NE(refusal("dualpipe", 4, 6).find("as devices, 8, not 6"), std::string::npos);
  EXPECT_NE(refusal("chimera", 3, 6).find("devices, not 3; 4 would do"), std::string::npos);
  EXPECT_NE(refusal("chimera", 4, 6).find("microbatches, not 6; 8 would do"), std::string::npos);
  EXPECT_NE(refusal("chimera", 4, 1).find("microbatches, not 1; 4 would do"), std::string::npos);
}

/// When every operation has to start, worked out from the inputs' ends alone: an operation at what comes last of its
/// device and its inputs, both halves of a pair at what comes last of either's.
class SecondDerivation {
 public:
  SecondDerivation(const TimedOrders& run, const ScheduleProblem& problem) : run_(run), problem_(problem) {
    const auto stages = problem.StagesOfDevices();
    for (std::size_t d = 0; d < run.devices.size(); ++d) {
      const std::vector<TimedOp>& device = run.devices[d];
      for (std::size_t i = 0; i < device.size(); ++i) {
        const TimedOp& one = device[i];
        const double given = one.op.pair > 0 ? device[i + 1].end.value() : one.end.value();
        ends_[Key(one.op.kind, stages[d][Index(one.op.chunk)], one.op.microbatch, one.op.split)] = given;
      }
    }
  }

  void Expect() const {
    const auto stages = problem_.StagesOfDevices();
    for (std::size_t d = 0; d < run_.devices.size(); ++d) {
      double free = 0;
      const std::vector<TimedOp>& device = run_.devices[d];
      for (std::size_t i = 0; i < device.size(); ++i) {
        const bool second_half = i > 0 && device[i - 1].op.pair > 0;
        double start = std::max(free, Inputs(device[i].op, stages[d][Index(device[i].op.chunk)]));
        if (device[i].op.pair > 0) {
          start = std::max(start, Inputs(device[i + 1].op, stages[d][Index(device[i + 1].op.chunk)]));
        }
        if (second_half) start = free;
        EXPECT_NEAR(device[i].start.value(), start, 1e-9) << d << " " << i;
        const double share = device[i].op.pair > 0 ? device[i].op.pair : second_half ? device[i - 1].op.pair : 1;
        free = device[i].start.value() + share * Alone(device[i].op, stages[d][Index(device[i].op.chunk)]);
        EXPECT_NEAR(device[i].end.value(), free, 1e-9) << d << " " << i;
      }
    }
  }

 private:
  using Key = std::tuple<OpKind, int, int, int>;  ///< kind, stage, microbatch, split

  double Alone(const ScheduledOp& op, int stage) const {
    const StageTimes times = problem_.At(stage, op.microbatch);
    const double input = GivesInputGradient(op.kind) ? times.backward_input.value() : 0;
    const double weight = GivesWeightGradient(op.kind) ? times.backward_weight.value() : 0;
    return (op.kind == OpKind::kForward ? times.forward.value() : input + weight) / problem_.splits;
  }
  double Message(int from, int to, int k) const {
    if (problem_.placement[Index(from)] == problem_.placement[Index(to)]) return 0;
    return problem_.Transfer(std::min(from, to), k).value() / problem_.splits;
  }
  /// An input's backward may be whole or not.
  double GradientOf(int stage, const ScheduledOp& op) const {
    const auto whole = ends_.find({OpKind::kBackward, stage, op.microbatch, op.split});
    return whole != ends_.end() ? whole->second : ends_.at({OpKind::kBackwardInput, stage, op.microbatch, op.split});
  }
  double Inputs(const ScheduledOp& op, int stage) const {
    const int per_pipeline = problem_.stages() / problem_.directions, in_pipeline = stage % per_pipeline;
    if (op.kind == OpKind::kBackwardWeight) {
      return ends_.at({OpKind::kBackwardInput, stage, op.microbatch, op.split});
    }
    if (op.kind == OpKind::kForward) {
      if (in_pipeline == 0) return 0;
      return ends_.at({OpKind::kForward, stage - 1, op.microbatch, op.split}) +
             Message(stage - 1, stage, op.microbatch);
    }
    const double own = ends_.at({OpKind::kForward, stage, op.microbatch, op.split});
    if (in_pipeline == per_pipeline - 1) return own;
    return std::max(own, GradientOf(stage + 1, op) + Message(stage + 1, stage, op.microbatch));
  }

  const TimedOrders& run_;
  const ScheduleProblem& problem_;
  std::map<Key, double> ends_;
};

/// A kind of schedule, the shapes that it exists for, and what it may hold.
struct Kind {
  std::string spec;
  std::function<int(RandomStream&)> devices;
  std::function<int(int p, RandomStream&)> microbatches;
  std::function<double(int p, int m)> most_held;
};

int Up(RandomStream& random, int least, int most) {
  return least + static_cast<int>(random.Below(Index(most - least + 1)));
}

void RunAtRandom(const Kind& kind, int rounds) {
  RandomStream random(11, "paired " + kind.spec);
  const auto schedule = Make(kind.spec);
  for (int round = 0; round < rounds; ++round) {
    const int p = kind.devices(random), m = kind.microbatches(p, random);
    ScheduleProblem problem = Problem(*schedule, p, m, {});
    problem.memory_limit = kind.most_held(p, m);
    std::vector<double> busy(Index(p)), way(Index(m));
    for (int s = 0; s < problem.stages(); ++s) {
      for (int k = 0; k < m; ++k) {
        StageTimes& times = problem.times[Index(s)][Index(k)];
        times = {Seconds(0.1 + random.Uniform()), Seconds(0.1 + random.Uniform()), Seconds(0.1 + random.Uniform())};
        if (!problem.Visits(k, s)) continue;
        busy[Index(problem.placement[Index(s)])] += (times.forward + times.backward()).value();
        way[Index(k)] += (times.forward + times.backward_input).value() / problem.splits;
      }
    }
    for (auto& stage : problem.transfers) {
      for (Seconds& hop : stage) hop = Seconds(0.2 * random.Uniform());
    }
    // Checked: whole, able to end, and never more held than the limit.
    const TimedOrders run = RunOrders(schedule->Orders(problem), problem);
    SecondDerivation(run, problem).Expect();
    EXPECT_GE(run.makespan.value() + 1e-9, *std::max_element(busy.begin(), busy.end())) << kind.spec << p << m;
    EXPECT_GE(run.makespan.value() + 1e-9, *std::max_element(way.begin(), way.end())) << kind.spec << p << m;
    for (std::size_t d = 0; d < busy.size(); ++d) {  // every operation is paid once, in halves or whole
      double ran = 0;
      for (const TimedOp& one : run.devices[d]) ran += (one.end - one.start).value();
      EXPECT_NEAR(ran, busy[d], 1e-9) << kind.spec << p << m;
    }
    if (testing::Test::HasFailure()) return;
  }
}

TEST(PairedSchedules, StandUnderRandomCosts) {
  const auto any = [](RandomStream& random) { return Up(random, 1, 6); };
  const auto even = [](RandomStream& random) { return 2 * Up(random, 1, 3); };
  const auto few = [](int, RandomStream& random) { return Up(random, 1, 12); };
  RunAtRandom({"dualpipev", any, [](int p, RandomStream& random) { return Up(random, 2 * p, 3 * p); },
               [](int p, int) { return p + 0.5; }},
              1000);
  RunAtRandom({"dualpipe", even, [](int p, RandomStream& random) { return 2 * Up(random, p, 2 * p); },
               [](int p, int) { return p + 1.0; }},
              1000);
  RunAtRandom({"chimera", even, [](int p, RandomStream& random) { return p * Up(random, 1, 4); },
               [](int p, int) { return 1.0 * p; }},
              1000);
  for (const int splits : {1, 2, 3, 5}) {
    RunAtRandom({With("seq1f1b", "splits", splits), any, few,
                 [=](int p, int m) { return std::min<double>(m, (p - 1.0 + splits) / splits); }},
                250);
  }
  for (const int waves : {1, 2}) {
    RunAtRandom(
        {With("hanayo", "waves", waves), any, few, [](int p, int m) { return std::min<double>(m, 2.0 * p - 1); }}, 500);
  }
}

}  // namespace
}  // namespace dflop
