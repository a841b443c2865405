// Orders that are wrong in one place: the check finds each of them, whether the backward is whole, in two halves, half
// of a pair or of a part of a sequence.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/policies/schedule_support.hpp"

namespace dflop {
namespace {

constexpr OpKind kF = OpKind::kForward, kBW = OpKind::kBackward, kB = OpKind::kBackwardInput,
                 kW = OpKind::kBackwardWeight;

/// A sound order, and what the check says where one device runs another.
class Mutants {
 public:
  Mutants(const std::string& spec, int p, int m)
      : problem_(ShapeOf(*Make(spec), p, m)), orders_(Make(spec)->Orders(problem_)) {}

  const std::vector<DeviceOrder>& orders() const { return orders_; }
  std::string WhyWith(std::size_t device, const std::vector<ScheduledOp>& mutant) const {
    std::vector<DeviceOrder> orders = orders_;
    orders[device] = DeviceOrder(mutant);
    return WhyOrdersFail(orders, problem_);
  }
  /// Calls visit(device, place, its operations) for every operation.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (std::size_t device = 0; device < orders_.size(); ++device) {
      const std::vector<ScheduledOp> ops(orders_[device].begin(), orders_[device].end());
      for (std::size_t place = 0; place < ops.size(); ++place) visit(device, place, ops);
    }
  }

 private:
  ScheduleProblem problem_;
  std::vector<DeviceOrder> orders_;
};

struct SoundSchedule {
  std::string spec;
  int devices;
  int microbatches;
};
const std::vector<SoundSchedule> kSound = {{"zb-h1", 4, 6},
                                           {"zb-h2", 3, 6},
                                           {"zb-v", 3, 6},
                                           {"zb-auto", 4, 6},
                                           {"v-half", 3, 6},
                                           {"v-min", 3, 6},
                                           {R"({"name": "list", "split": true})", 3, 6},
                                           {"best", 4, 6},
                                           {"dualpipe", 4, 8},
                                           {"dualpipev", 3, 7},
                                           {"chimera", 4, 8},
                                           {"hanayo", 3, 4},
                                           {R"({"name": "seq1f1b", "splits": 3})", 3, 4}};

TEST(OrderMutants, WhatIsLeftOutOrRunTwiceIsFound) {
  for (const SoundSchedule& sound : kSound) {
    const Mutants mutants(sound.spec, sound.devices, sound.microbatches);
    mutants.ForEach([&](std::size_t device, std::size_t place, const auto& ops) {
      std::vector<ScheduledOp> twice = ops, without = ops;
      twice.push_back(ops[place]);
      without.erase(without.begin() + static_cast<std::ptrdiff_t>(place));
      EXPECT_NE(mutants.WhyWith(device, twice), "") << sound.spec << " " << device << " " << place;
      EXPECT_NE(mutants.WhyWith(device, without), "") << sound.spec << " " << device << " " << place;
    });
  }
}

TEST(OrderMutants, WeightsBeforeTheirBackwardAreFound) {
  int found = 0;
  for (const SoundSchedule& sound : kSound) {
    const Mutants mutants(sound.spec, sound.devices, sound.microbatches);
    mutants.ForEach([&](std::size_t device, std::size_t place, auto ops) {
      if (ops[place].kind != kW) return;
      std::size_t own = 0;
      while (ops[own].kind != kB || ops[own].microbatch != ops[place].microbatch ||
             ops[own].chunk != ops[place].chunk) {
        ++own;
      }
      ASSERT_LT(own, place);
      std::swap(ops[own], ops[place]);
      EXPECT_NE(mutants.WhyWith(device, ops), "") << sound.spec << " " << device << " " << place;
      ++found;
    });
  }
  EXPECT_GT(found, 100);  // two halves of a backward there are
}

TEST(OrderMutants, ABackwardIsWholeOrInTwoHalves) {
  for (const SoundSchedule& sound : kSound) {
    const Mutants mutants(sound.spec, sound.devices, sound.microbatches);
    mutants.ForEach([&](std::size_t device, std::size_t place, auto ops) {
      if (ops[place].kind == kF) return;
      for (const OpKind kind : {kBW, kB, kW}) {
        if (kind == ops[place].kind) continue;
        std::vector<ScheduledOp> mutant = ops;
        mutant[place].kind = kind;
        EXPECT_NE(mutants.WhyWith(device, mutant), "") << sound.spec << " " << device << " " << place;
      }
    });
  }
}

TEST(OrderMutants, AWholeBackwardBesideItsHalvesIsFound) {
  for (const SoundSchedule& sound : kSound) {
    const Mutants mutants(sound.spec, sound.devices, sound.microbatches);
    mutants.ForEach([&](std::size_t device, std::size_t place, auto ops) {
      ScheduledOp other = ops[place];
      if (other.kind == kF) return;
      other.kind = other.kind == kBW ? kB : kBW;
      ops.push_back(other);
      other.kind = kW;
      if (ops[place].kind == kBW) ops.push_back(other);
      EXPECT_NE(mutants.WhyWith(device, ops).find("a second time runs backward"), std::string::npos)
          << sound.spec << " " << device << " " << place << mutants.WhyWith(device, ops);
    });
  }
}

TEST(OrderMutants, WhatTheWeightsStillWantIsHeldByItsShare) {
  // F0 holds 1, B0 leaves a quarter of it, F1 makes it 1.25; all of it: 2; nothing: 1. A whole backward leaves nothing.
  const DeviceOrder halves = {{kF, 0}, {kB, 0}, {kF, 1}, {kB, 1}, {kW, 0}, {kW, 1}};
  const ScheduleProblem problem{1, 2, 1, {0}};
  EXPECT_DOUBLE_EQ(RunOrders({halves}, problem, .25).peak_activations[0], 1.25);
  EXPECT_DOUBLE_EQ(RunOrders({halves}, problem, 1).peak_activations[0], 2);
  EXPECT_DOUBLE_EQ(RunOrders({halves}, problem, 0).peak_activations[0], 1);
  EXPECT_DOUBLE_EQ(RunOrders({{{kF, 0}, {kBW, 0}, {kF, 1}, {kBW, 1}}}, problem, .25).peak_activations[0], 1);
}

TEST(OrderMutants, PairsAreAForwardAndABackward) {
  const Mutants mutants("dualpipev", 3, 7);
  mutants.ForEach([&](std::size_t device, std::size_t place, auto ops) {
    if (ops[place].pair == 0) return;
    std::vector<ScheduledOp> turned = ops, long_pair = ops, of_three = ops;
    std::swap(turned[place].pair, turned[place + 1].pair);
    long_pair[place].pair = 1.5;
    of_three[place + 1].pair = 1;
    EXPECT_NE(mutants.WhyWith(device, turned).find("pairs with no backward"), std::string::npos);
    EXPECT_NE(mutants.WhyWith(device, long_pair).find("take 1.5 of its time"), std::string::npos);
    EXPECT_NE(mutants.WhyWith(device, of_three).find("pairs with no backward"), std::string::npos);
  });
}

TEST(OrderMutants, APairWaitsForBothItsInputs) {
  // Either device pairs F1 with BW0: device 1 waits for the end of device 0's pair, which waits for the end of its own.
  const ScheduleProblem problem{2, 2, 1, {0, 1}};
  const DeviceOrder apart = {{kF, 0}, {kF, 1}, {kBW, 0}, {kBW, 1}};
  const DeviceOrder together = {{kF, 0}, {kF, 1, 0, 0, 1.0}, {kBW, 0}, {kBW, 1}};
  EXPECT_EQ(WhyOrdersFail({apart, apart}, problem), "");
  EXPECT_EQ(WhyOrdersFail({apart, together}, problem), "");
  EXPECT_EQ(
      WhyOrdersFail({together, together}, problem),
      "deadlock, waits for ever: backward of microbatch 0, chunk 0, on device 0 → backward of microbatch 0, chunk "
      "0, on device 1 → forward of microbatch 1, chunk 0, on device 0");
  const DeviceOrder itself = {{kF, 0}, {kBW, 0}, {kF, 1, 0, 0, 1.0}, {kBW, 1}};
  EXPECT_EQ(
      WhyOrdersFail({itself}, {1, 2, 1, {0}}),
      "deadlock, waits for ever: backward of microbatch 1, chunk 0, on device 0 → forward of microbatch 1, chunk 0, "
      "on device 0");
}

TEST(OrderMutants, AMicrobatchGoesOneWayOnly) {
  // Two pipelines over one pair of devices: 0 goes down, 1 goes up.
  ScheduleProblem problem{2, 2, 2, {0, 1, 1, 0}};
  problem.directions = 2;
  const DeviceOrder first = {{kF, 0, 0}, {kF, 1, 1}, {kBW, 1, 1}, {kBW, 0, 0}};
  const DeviceOrder second = {{kF, 1, 1}, {kF, 0, 0}, {kBW, 0, 0}, {kBW, 1, 1}};
  // Device 1 holds the last stage down, chunk 0, and the first one up, chunk 1.
  EXPECT_EQ(WhyOrdersFail({first, second}, problem), "");
  const DeviceOrder both_ways = {{kF, 0, 0}, {kF, 0, 1}, {kBW, 0, 1}, {kBW, 0, 0}};
  EXPECT_EQ(WhyOrdersFail({both_ways, second}, problem), "there is no forward of microbatch 0, chunk 1, on device 0");
}

TEST(OrderMutants, SplitsGoForwardInTurnAndBackwardFromTheLast) {
  ScheduleProblem problem{1, 1, 1, {0}};
  problem.splits = 2;
  const auto why = [&](const DeviceOrder& order) { return WhyOrdersFail({order}, problem); };
  EXPECT_EQ(why({{kF, 0, 0, 0}, {kF, 0, 0, 1}, {kBW, 0, 0, 1}, {kBW, 0, 0, 0}}), "");
  EXPECT_NE(
      why({{kF, 0, 0, 0}, {kF, 0, 0, 1}, {kBW, 0, 0, 0}, {kBW, 0, 0, 1}}).find("backward of microbatch 0, split 0"),
      std::string::npos);
  EXPECT_NE(
      why({{kF, 0, 0, 1}, {kF, 0, 0, 0}, {kBW, 0, 0, 1}, {kBW, 0, 0, 0}}).find("forward of microbatch 0, split 1"),
      std::string::npos);
  EXPECT_NE(why({{kF, 0, 0, 0}, {kBW, 0, 0, 0}}).find("never runs forward of microbatch 0, split 1"),
            std::string::npos);
}

}  // namespace
}  // namespace dflop
