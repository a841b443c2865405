// Noise by its numbers: mean, spread, tails, and who draws the same; links that are not what they are said to be.
#include "sim/step/noise.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "sim/step/ground_truth.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

struct Moments {
  double mean = 0;
  double variation = 0;
};

Moments Of(const Noise& noise, int draws) {
  double sum = 0, squares = 0;
  DeviceNoise device(noise, 7, 0, 0);
  for (int i = 0; i < draws; ++i) {
    const double factor = device.Next();
    EXPECT_GT(factor, 0);
    sum += factor;
    squares += factor * factor;
  }
  const double mean = sum / draws;
  return {mean, std::sqrt(squares / draws - mean * mean) / mean};
}

TEST(Noise, HasTheVariationThatIsAskedForAndMeanOne) {
  // 40,000 draws: the mean is within 4 · 0.1 / 200 = 0.002, the variation within a few per cent of itself.
  const Moments moments = Of({.per_kernel = 0.1}, 40000);
  EXPECT_NEAR(moments.mean, 1, 0.002);
  EXPECT_NEAR(moments.variation, 0.1, 0.003);
}

TEST(Noise, TailsAddToTheMean) {
  // A tenth of the operations take three times as long: 0.9 + 0.3.
  EXPECT_NEAR(Of({.per_kernel = 0, .tail_share = 0.1, .tail_factor = 3}, 40000).mean, 1.2, 0.013);
}

TEST(Noise, DrawsAreThoseOfSeedStepAndGpu) {
  const Noise noise;
  DeviceNoise one(noise, 7, 3, 5), same(noise, 7, 3, 5), other_gpu(noise, 7, 3, 6), other_step(noise, 7, 4, 5);
  const double first = one.Next();
  EXPECT_EQ(first, same.Next());
  EXPECT_NE(first, other_gpu.Next());
  EXPECT_NE(first, other_step.Next());
  EXPECT_EQ(StepNoise(noise, 7, 3), StepNoise(noise, 7, 3));
  EXPECT_NE(StepNoise(noise, 7, 3), StepNoise(noise, 8, 3));
}

TEST(GroundTruthMachine, IsSlowerWhereAndWhenALinkIs) {
  const ClusterSpec cluster = A100Nodes(2);
  const GroundTruth truth({SlowLink{.gpu = 3, .nic = true, .factor = 4, .from_step = 2},
                           SlowLink{.gpu = 1, .nic = false, .factor = 2, .from_step = 0}},
                          1);
  const auto early = truth.MachineOf(cluster, 1);
  ASSERT_TRUE(early);
  EXPECT_EQ(early->nic_rate(3), cluster.nic_rate(3));
  EXPECT_EQ(early->intra_rate(1), cluster.intra_rate(1) / 2);
  EXPECT_EQ(early->intra_rate(2), cluster.intra_rate(2));
  const auto late = truth.MachineOf(cluster, 2);
  EXPECT_EQ(late->nic_rate(3), cluster.nic_rate(3) / 4);
  EXPECT_FALSE(GroundTruth({Drift{}}, 1).MachineOf(cluster, 0));
}

TEST(GroundTruthMachine, ANicFlapsInAboutTheShareOfStepsAndTheSameOnesForEverybody) {
  const ClusterSpec cluster = A100Nodes(2);
  const std::vector<Anomaly> flaps = {FlappingNic{.gpu = 9, .share = 0.25, .factor = 10}};
  const GroundTruth one(flaps, 1), again(flaps, 1), other(flaps, 2);
  int down = 0, differ = 0;
  for (int step = 0; step < 1000; ++step) {
    const auto machine = one.MachineOf(cluster, step);
    EXPECT_EQ(machine.has_value(), again.MachineOf(cluster, step).has_value());
    differ += machine.has_value() != other.MachineOf(cluster, step).has_value() ? 1 : 0;
    if (!machine) continue;
    ++down;
    EXPECT_EQ(machine->nic_rate(9), cluster.nic_rate(9) / 10);
  }
  EXPECT_NEAR(down, 250, 55);  // four standard deviations of 13.7
  EXPECT_GT(differ, 100);
}

}  // namespace
}  // namespace dflop
