// Schedules that look at costs: zb-auto by its paper's table, list by exhaustive search, best by those it chooses from.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/error.hpp"
#include "base/random.hpp"
#include "policies/api/checked_plugins.hpp"
#include "policies/api/infeasible.hpp"
#include "policies/api/registry.hpp"
#include "policies/api/timed_orders.hpp"
#include "policies/pipeline_search/list_orders.hpp"
#include "tests/input_error.hpp"

namespace dflop {
namespace {

std::unique_ptr<PipelineSchedule> Searching(const std::string& spec) {
  const Json json = ParseJson(spec.front() == '{' ? spec : "\"" + spec + "\"", "");
  return Checked(Registry<PipelineSchedule>::Instance().Make(JsonReader(json, "")), spec);
}

/// One chunk a device, all microbatches alike.
ScheduleProblem EvenPipeline(int devices, int microbatches, const StageTimes& times, double transfer = 0) {
  ScheduleProblem problem{devices, microbatches, 1, InTurn(devices, 1)};
  problem.times.assign(Index(devices), std::vector<StageTimes>(Index(microbatches), times));
  problem.transfers.assign(Index(devices - 1), std::vector<Seconds>(Index(microbatches), Seconds(transfer)));
  return problem;
}

/// The same with times of their own, 0.1 to 1.1 s, and messages of up to 0.2 s.
ScheduleProblem UnevenPipeline(int devices, int microbatches, RandomStream& random) {
  ScheduleProblem problem = EvenPipeline(devices, microbatches, {});
  const auto seconds = [&] { return Seconds(0.1 + random.Uniform()); };
  for (std::vector<StageTimes>& stage : problem.times) {
    for (StageTimes& times : stage) times = {seconds(), seconds(), seconds()};
  }
  for (std::vector<Seconds>& hop : problem.transfers) {
    for (Seconds& transfer : hop) transfer = Seconds(0.2 * random.Uniform());
  }
  return problem;
}

TimedOrders Ordered(const std::string& spec, const ScheduleProblem& problem) {
  return RunOrders(Searching(spec)->Orders(problem), problem, problem.weight_share);
}
double MostHeld(const TimedOrders& run) {
  return *std::max_element(run.peak_activations.begin(), run.peak_activations.end());
}

/// No makespan is below the busiest device's work, nor a microbatch's way down and up again.
double LowerBoundOf(const ScheduleProblem& problem) {
  std::vector<double> busy(Index(problem.devices)), way(Index(problem.microbatches));
  for (int d = 0; d < problem.devices; ++d) {
    for (int k = 0; k < problem.microbatches; ++k) {
      const StageTimes times = problem.At(d, k);
      const double hops = d + 1 < problem.devices ? 2 * problem.Transfer(d, k).value() : 0;
      busy[Index(d)] += (times.forward + times.backward()).value();
      way[Index(k)] += (times.forward + times.backward_input).value() + hops;
    }
  }
  return std::max(*std::max_element(busy.begin(), busy.end()), *std::max_element(way.begin(), way.end()));
}

TEST(ScheduleSearch, ZeroBubblesHeuristicLeavesWhatThePapersTableSays) {
  // arXiv 2401.10241, tables 9 (milliseconds of a stage and of a message) and 5 (idle share of the longest span), the
  // models' heads and widths from table 3: a microbatch holds 34h + 5as bytes a token before its backward and 32h of
  // them after it, s 1024. ZB-1p's column is ZB-H1's; ours may not be above ZB-2p's by more than 0.002.
  struct Row {
    int p, m;
    double f, b, w, hop;
    int heads, width;
    double zb_1p, zb_2p;
  };
  const std::array<Row, 12> kRows = {{{8, 24, 18.522, 18.086, 9.337, .601, 24, 2304, .1585, .0433},
                                      {8, 32, 18.513, 18.086, 9.331, .626, 24, 2304, .1242, .0039},
                                      {8, 64, 18.546, 18.097, 9.321, .762, 24, 2304, .0674, .0026},
                                      {8, 24, 29.718, 29.444, 19.927, .527, 32, 4096, .1323, .0029},
                                      {8, 32, 29.802, 29.428, 19.530, .577, 32, 4096, .1045, .0022},
                                      {8, 64, 29.935, 29.621, 19.388, .535, 32, 4096, .0554, .0010},
                                      {16, 48, 11.347, 11.248, 8.132, .377, 40, 5120, .1397, .0066},
                                      {16, 64, 11.307, 11.254, 8.101, .379, 40, 5120, .1088, .0054},
                                      {16, 128, 11.325, 11.308, 8.109, .378, 40, 5120, .0576, .0028},
                                      {32, 96, 10.419, 10.207, 7.715, .408, 48, 6144, .1421, .0038},
                                      {32, 128, 10.408, 10.204, 7.703, .408, 48, 6144, .1106, .0029},
                                      {32, 256, 10.402, 10.248, 7.698, .460, 48, 6144, .0594, .0018}}};
  constexpr double kRounding = 0.5e-4 + 1e-9;
  int exact = 0;
  for (const Row& row : kRows) {
    ScheduleProblem problem = EvenPipeline(row.p, row.m, {Seconds(row.f), Seconds(row.b), Seconds(row.w)}, row.hop);
    problem.weight_share = 32.0 * row.width / (34.0 * row.width + 5.0 * row.heads * 1024);
    const TimedOrders one = Ordered("zb-auto", problem);
    const TimedOrders two = Ordered(R"({"name": "zb-auto", "memory": 2})", problem);
    EXPECT_NEAR(one.bubble_of_span(), row.zb_1p, kRounding) << row.p << " " << row.m;
    EXPECT_LE(two.bubble_of_span(), row.zb_2p + 0.002) << row.p << " " << row.m;
    EXPECT_LE(MostHeld(one), row.p * (1 + 1e-12));
    EXPECT_LE(MostHeld(two), 2 * row.p * (1 + 1e-12));
    exact += std::abs(two.bubble_of_span() - row.zb_2p) <= kRounding ? 1 : 0;
  }
  EXPECT_GE(exact, 11) << "cells of ZB-2p to four decimals";
}

TEST(ScheduleSearch, WhereOptimizersWaitTheEndCountsAndNotTheSpan) {
  // F = B = W = 1 on 4 devices, 8 microbatches: nobody ends before 3m + p − 1 = 27, for the last device begins 3 late.
  const ScheduleProblem problem = EvenPipeline(4, 8, {});
  const TimedOrders whole = Ordered(R"({"name": "zb-auto", "memory": 2, "shortest": "makespan"})", problem);
  const TimedOrders own = Ordered(R"({"name": "zb-auto", "memory": 2})", problem);
  EXPECT_DOUBLE_EQ(whole.makespan.value(), 27);
  EXPECT_DOUBLE_EQ(own.span.value(), 24);
  EXPECT_LE(whole.makespan, own.makespan);
}

TEST(ScheduleSearch, OneLongMicrobatchIsOvertaken) {
  // Two devices, whole backwards twice as long as forwards: microbatches 0 and 1 take 1 and 2 s, the last one 3 and 6.
  //   1f1b      device 0  F0 0–1  F1 1–2  B0 4–6  F2 6–9  B1 9–11  B2 18–24
  //             device 1  F0 1–2  B0 2–4  F1 4–5  B1 5–7  F2 9–12  B2 12–18
  //   2 before  device 0  F0 0–1  F2 1–4  B0 4–6  F1 6–7  B2 13–19  B1 19–21
  //   1         device 1  F0 1–2  B0 2–4  F2 4–7  B2 7–13  F1 13–14  B1 14–16
  ScheduleProblem problem = EvenPipeline(2, 3, {});
  for (const int d : {0, 1}) problem.times[Index(d)][2] = {Seconds(3), Seconds(3), Seconds(3)};
  EXPECT_DOUBLE_EQ(Ordered("1f1b", problem).makespan.value(), 24);
  EXPECT_LE(Ordered("list", problem).makespan.value(), 21);
}

/// Every order of a device's three forwards and backwards that holds no more than the limit.
std::vector<DeviceOrder> AllOrdersOfThree(int limit) {
  std::array<int, 6> turn;
  std::iota(turn.begin(), turn.end(), 0);  // forwards, then backwards
  std::vector<DeviceOrder> all;
  do {
    std::vector<ScheduledOp> order;
    int held = 0, most = 0;
    std::array<bool, 3> forward{};
    bool fits = true;
    for (const int op : turn) {
      const bool is_forward = op < 3;
      held += is_forward ? 1 : -1;
      most = std::max(most, held);
      fits &= is_forward || forward[Index(op % 3)];
      if (is_forward) forward[Index(op)] = true;
      order.push_back({is_forward ? OpKind::kForward : OpKind::kBackward, op % 3, 0});
    }
    if (fits && most <= limit) all.emplace_back(order);
  } while (std::next_permutation(turn.begin(), turn.end()));
  return all;
}

TEST(ScheduleSearch, ListIsAtMostFourPercentAboveTheOptimumOfTinyPipelines) {
  // Two devices, three microbatches, whole backwards, two microbatches at once: of 6!/2³ = 90 orders of a device 54
  // keep the limit (all but those that begin with three forwards, 3!·3!), all pairs of which are run.
  const std::vector<DeviceOrder> orders = AllOrdersOfThree(2);
  ASSERT_EQ(orders.size(), 54u);
  RandomStream random(3, "tiny pipelines");
  constexpr int kJobs = 12;
  int optimal = 0;
  for (int job = 0; job < kJobs; ++job) {
    const ScheduleProblem problem = UnevenPipeline(2, 3, random);
    double least = HUGE_VAL;
    for (const DeviceOrder& first : orders) {
      for (const DeviceOrder& second : orders) {
        if (!WhyOrdersFail({first, second}, problem).empty()) continue;
        least = std::min(least, RunOrders({first, second}, problem).makespan.value());
      }
    }
    const double listed = Ordered("list", problem).makespan.value();
    EXPECT_GE(listed, least * (1 - 1e-12));
    EXPECT_LE(listed, least * 1.04) << job;
    optimal += listed <= least * (1 + 1e-12) ? 1 : 0;
  }
  EXPECT_GE(optimal, kJobs * 3 / 4);
}

TEST(ScheduleSearch, ListedOrdersTakeAsLongAsTheirRunSays) {
  RandomStream random(4, "listed");
  for (int round = 0; round < 50; ++round) {
    const ScheduleProblem problem = UnevenPipeline(1 + static_cast<int>(random.Below(5)), 6, random);
    ListRule rule;
    rule.splits = round % 2 == 0;
    rule.fills = round % 3 == 0;
    const ListedOrders listed = ListOrders(problem, rule, 3);
    EXPECT_EQ(listed.makespan, ListMakespan(problem, rule, 3));
    EXPECT_NEAR(listed.makespan.value(), RunOrders(listed.orders, problem).makespan.value(), 1e-9);
  }
}

TEST(ScheduleSearch, ThousandRandomJobsKeepTheirMemoryAndTheirBounds) {
  // Checked() holds every answer against the problem's memory limit and proves it whole and able to end.
  for (const std::string spec :
       {R"({"name": "zb-auto"})", R"({"name": "list", "evaluations": 10})",
        R"({"name": "list", "evaluations": 10, "split": true})",
        R"({"name": "best", "of": ["1f1b", "zb-h1", "zb-auto", {"name": "list", "evaluations": 4}]})"}) {
    RandomStream random(11, "random jobs");
    const auto schedule = Searching(spec);
    const auto plain = Searching("1f1b");
    for (int job = 0; job < 1000; ++job) {
      const int p = 1 + static_cast<int>(random.Below(6)), m = 1 + static_cast<int>(random.Below(10));
      ScheduleProblem problem = UnevenPipeline(p, m, random);
      problem.weight_share = random.Uniform();
      const double of_1f1b = std::min(p, m);
      problem.memory_limit = std::max(1.0, of_1f1b * (0.5 + 1.5 * random.Uniform()));
      const TimedOrders run = RunOrders(schedule->Orders(problem), problem, problem.weight_share);
      EXPECT_LE(MostHeld(run), problem.memory_limit * (1 + 1e-9)) << spec << job;
      EXPECT_GE(run.makespan.value() * (1 + 1e-12), LowerBoundOf(problem)) << spec << job;
      if (spec.find("zb-auto\"}") != spec.npos || problem.memory_limit < of_1f1b) continue;
      EXPECT_LE(run.makespan, RunOrders(plain->Orders(problem), problem).makespan) << spec << job;
    }
  }
}

TEST(ScheduleSearch, TooLittleMemoryNamesTheDeviceAndWhatIsMissing) {
  ScheduleProblem problem = EvenPipeline(2, 4, {});
  problem.held = {1, 1.5};
  problem.memory_limit = 1.25;
  for (const std::string name : {"zb-auto", "list", "best"}) {
    try {
      Searching(name)->Orders(problem);
      FAIL() << name << " found orders";
    } catch (const Infeasible& reason) {
      EXPECT_EQ(reason.what(), "pipeline schedule \"" + name +
                                   "\": device 1 holds 1.5 for one microbatch alone, 0.25 above the limit of 1.25");
    }
  }
}

TEST(ScheduleSearch, BestIsTheShortestThatFitsAndSaysWhich) {
  // F = B = W = 1, p 4, m 8: 1f1b ends at (8 + 3)·3 = 33, ZB-H1 at 27; both hold 4 microbatches, ZB-H2 7. With times
  // of its own nothing changes, so the first of equals wins.
  const ScheduleProblem problem = EvenPipeline(4, 8, {});
  const auto best = Searching(R"({"name": "best", "of": ["1f1b", "zb-h2", "zb-h1"]})");
  EXPECT_DOUBLE_EQ(RunOrders(best->Orders(problem), problem).makespan.value(), 27);
  EXPECT_EQ(best->note(), "best: zb-h1");
  EXPECT_FALSE(best->per_step()) << "nobody looks at times";
  EXPECT_TRUE(Searching("best")->per_step());
  const auto large = Searching(R"({"name": "best", "of": ["zb-h2", "zb-h1"], "memory": 2})");
  large->Orders(problem);
  EXPECT_EQ(large->note(), "best: zb-h2");
  try {
    Searching(R"({"name": "best", "of": ["gpipe"]})")->Orders(problem);
    FAIL() << "gpipe holds all eight";
  } catch (const Infeasible& reason) {
    const std::string why = reason.what();
    EXPECT_NE(why.find("none of the schedules will do: gpipe: 4 above the memory limit of 4"), why.npos) << why;
  }
}

TEST(ScheduleSearch, BestWantsSchedulesOfOnePlacement) {
  ExpectError(ErrorOf([] { Searching(R"({"name": "best", "of": ["1f1b", "zb-v"]})"); }),
              "/of/1: wants 2 chunks on a device, 1f1b 1");
  ExpectError(ErrorOf([] { Searching(R"({"name": "best", "of": []})"); }), "/of: is empty");
  ExpectError(ErrorOf([] { Searching(R"({"name": "best", "of": ["1f1b", "optimus"]})"); }), "/of/1: places encoders");
  ExpectError(ErrorOf([] { Searching(R"({"name": "best", "of": ["1f1b", {"name": "seq1f1b", "splits": 3}]})"); }),
              "/of/1: divides microbatches in 3 splits, 1f1b in 1");
  ExpectError(ErrorOf([] { Searching(R"({"name": "best", "of": ["1f1c"]})"); }), "/of/0");
  EXPECT_EQ(Searching(R"({"name": "best", "of": ["zb-v", "v-half"]})")->placement(2), (Placement{0, 1, 1, 0}));
}

}  // namespace
}  // namespace dflop
