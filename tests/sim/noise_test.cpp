// Claims on noise: its mean and spread, whom a draw belongs to, and that every policy meets the same.
#include "sim/step/noise.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "sim/step/ground_truth.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

constexpr Noise kNoise{.per_kernel = 0.2, .per_step = 0.1};

std::vector<double> Draws(const Noise& noise, int count) {
  DeviceNoise device(noise, 1, 0, 0);
  std::vector<double> draws(Index(count));
  std::generate(draws.begin(), draws.end(), [&] { return device.Next(); });
  return draws;
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double Variance(const std::vector<double>& values) {
  const double mean = Mean(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return sum / static_cast<double>(values.size() - 1);
}

TEST(Noise, HasMeanOneAndTheCoefficientOfVariationAskedFor) {
  const std::vector<double> draws = Draws(kNoise, 100'000);
  // The mean of n draws lies within 4·0.2/√n = 0.0025 of 1, but for one in 16,000.
  EXPECT_NEAR(Mean(draws), 1, 0.0025);
  EXPECT_NEAR(std::sqrt(Variance(draws)), 0.2, 0.004);
  // Half of a log-normal with mean 1 lies below 1/√(1 + 0.2²).
  const auto below = std::count_if(draws.begin(), draws.end(), [](double x) { return x < 1 / std::sqrt(1.04); });
  EXPECT_NEAR(static_cast<double>(below), 50'000, 4 * 158);

  std::vector<double> steps;
  steps.reserve(20'000);
  for (int step = 0; step < 20'000; ++step) steps.push_back(StepNoise(kNoise, 1, step));
  EXPECT_NEAR(Mean(steps), 1, 4 * 0.1 / std::sqrt(20'000));
  EXPECT_NEAR(std::sqrt(Variance(steps)), 0.1, 0.003);
}

TEST(Noise, IsTheExponentialOfANormalNumberOfTheStream) {
  // σ² = log(1 + 0.2²), and exp(−σ²/2) makes the mean 1; from the stream's own two uniform numbers by Box and Muller.
  RandomStream stream(7, "noise of device/3/5");
  const double radius = std::sqrt(-2 * std::log(1 - stream.Uniform()));
  const double normal = radius * std::cos(2 * 3.14159265358979323846 * stream.Uniform());
  const double variance = std::log(1.04);
  EXPECT_NEAR(DeviceNoise(kNoise, 7, 3, 5).Next(), std::exp(std::sqrt(variance) * normal - variance / 2), 1e-14);
}

TEST(Noise, ATailHoldsUpItsShareOfTheOperationsAndMovesNoOther) {
  const std::vector<double> plain = Draws(kNoise, 100'000);
  Noise tails = kNoise;
  tails.tail_share = 0.01;
  tails.tail_factor = 5;
  const std::vector<double> draws = Draws(tails, 100'000);
  int held_up = 0;
  for (std::size_t i = 0; i < draws.size(); ++i) {
    if (draws[i] == plain[i]) continue;
    EXPECT_DOUBLE_EQ(draws[i], 5 * plain[i]);
    ++held_up;
  }
  EXPECT_NEAR(held_up, 1000, 4 * std::sqrt(1000 * 0.99));
}

TEST(Noise, OtherSeedsStepsAndGpusAreOtherDraws) {
  const double first = DeviceNoise(kNoise, 1, 2, 3).Next();
  EXPECT_EQ(DeviceNoise(kNoise, 1, 2, 3).Next(), first);
  EXPECT_NE(DeviceNoise(kNoise, 2, 2, 3).Next(), first);
  EXPECT_NE(DeviceNoise(kNoise, 1, 3, 3).Next(), first);
  EXPECT_NE(DeviceNoise(kNoise, 1, 2, 4).Next(), first);
  EXPECT_NE(StepNoise(kNoise, 1, 2), StepNoise(kNoise, 2, 2));
  EXPECT_NE(StepNoise(kNoise, 1, 2), StepNoise(kNoise, 1, 3));
}

constexpr int kStep = 3;

/// A step whose forwards, backwards and weight gradients all take 1 s, with noise. What is in the batch is no matter.
StepCosts NoisyCosts(const Layout& layout, const Noise& noise, std::uint64_t seed = 1, int number = kStep) {
  const CostModel cost = SmallJob();
  StepCosts costs = HandMadeCosts(layout, [](const Stage&, int) { return std::pair(1.0, 1.0); });
  for (auto& row : costs.stages) {
    for (PartCost& part : row) {
      part.weight_gradient.time = Seconds(1);
      part.model_flops = Flops(7);
    }
  }
  for (Seconds& time : costs.optimizer) time = Seconds(1);
  GroundTruth({noise}, seed).Disturb({cost, layout, BatchPlan(), {}, StepWork(), number}, costs);
  return costs;
}

Layout Uniform(int tp, int pp, int dp, int microbatches) {
  return BuildLayout(HomogeneousDegrees{tp, pp, dp, pp > 1 ? 1 : 0, microbatches}, SmallVlm(), A100Nodes(1));
}

TEST(Noise, AGroupWaitsForItsSlowestGpu) {
  const Layout layout = Uniform(2, 2, 2, 3);
  const StepCosts costs = NoisyCosts(layout, kNoise);
  const double of_step = StepNoise(kNoise, 1, kStep);
  for (std::size_t s = 0; s < layout.stages.size(); ++s) {
    const int gpu = layout.groups[Index(layout.stages[s].group)].first_gpu;
    DeviceNoise left(kNoise, 1, kStep, gpu);
    DeviceNoise right(kNoise, 1, kStep, gpu + 1);
    const auto slower = [&] { return of_step * std::max(left.Next(), right.Next()); };
    EXPECT_DOUBLE_EQ(costs.optimizer[s].value(), slower());
    for (const PartCost& part : costs.stages[s]) {
      EXPECT_DOUBLE_EQ(part.forward.time.value(), slower());
      EXPECT_DOUBLE_EQ(part.backward.time.value(), slower());
      EXPECT_EQ(part.weight_gradient.time, part.backward.time) << "split or whole, a backward varies alike";
      EXPECT_EQ(part.model_flops, Flops(7));
    }
  }
}

TEST(Noise, APolicyWithMoreMicrobatchesMeetsTheSameFirst) {
  const Layout few = Uniform(2, 2, 2, 2);
  const Layout many = Uniform(2, 2, 2, 5);
  const StepCosts a = NoisyCosts(few, kNoise);
  const StepCosts b = NoisyCosts(many, kNoise);
  for (std::size_t s = 0; s < few.stages.size(); ++s) {
    ASSERT_EQ(few.groups[Index(few.stages[s].group)], many.groups[Index(many.stages[s].group)]);
    EXPECT_EQ(a.optimizer[s], b.optimizer[s]);
    for (std::size_t k = 0; k < 2; ++k) {
      EXPECT_EQ(a.stages[s][k].forward.time, b.stages[s][k].forward.time);
      EXPECT_EQ(a.stages[s][k].backward.time, b.stages[s][k].backward.time);
    }
  }
}

TEST(Noise, OfTheStepAloneIsOneFactorWhateverTheLayout) {
  const Noise noise{.per_kernel = 0, .per_step = 0.1};
  const double factor = StepNoise(noise, 1, kStep);
  ASSERT_NE(factor, 1);
  for (const Layout& layout : {Uniform(2, 2, 2, 3), Uniform(1, 4, 2, 2), Uniform(8, 1, 1, 1)}) {
    const StepCosts costs = NoisyCosts(layout, noise);
    for (std::size_t s = 0; s < layout.stages.size(); ++s) {
      EXPECT_EQ(costs.optimizer[s].value(), factor);
      for (const PartCost& part : costs.stages[s]) EXPECT_EQ(part.forward.time.value(), factor);
    }
  }
}

TEST(Noise, OfNothingChangesNothing) {
  const StepCosts costs = NoisyCosts(Uniform(2, 2, 2, 3), Noise{.per_kernel = 0, .per_step = 0});
  for (const auto& row : costs.stages) {
    for (const PartCost& part : row) EXPECT_EQ(part.backward.time, Seconds(1));
  }
}

}  // namespace
}  // namespace dflop
