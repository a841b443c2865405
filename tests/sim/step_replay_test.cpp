// The search's evaluator against the simulator that it stands in for.
#include "sim/step/step_replay.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "sim/build/step_costs.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

/// A job, its layout and a batch that is dealt at random.
struct Setting {
  CostModel cost;
  Layout layout;
  std::vector<DeviceOrder> orders;
  std::vector<SampleShape> batch;
  Buckets buckets;

  Setting(SoftwareStack software, Layout chosen, const std::string& schedule, std::uint64_t seed)
      : cost(SmallJob(2, std::move(software))),
        layout(std::move(chosen)),
        orders(OrdersOf(*Plugin<PipelineSchedule>(schedule), layout)),
        batch(UnevenSamples(3 * layout.llm_replicas() * layout.microbatches, seed)) {
    batch.front().tiles = {0};  // a sample without images
    RandomStream random(seed, "deal");
    buckets = Plugin<BatchScheduler>("random")->Schedule(MakeBatchProblem(cost, layout, batch), random).buckets;
  }
  double Simulated(const Buckets& now) const {
    return SimulateStep({cost, layout, orders}, {now}, batch, *MakeReplayEngine()).times.makespan.value();
  }
  StepReplay Replay() const { return {cost, layout, orders, batch, buckets}; }
};

Layout Homogeneous(const HomogeneousDegrees& degrees) { return BuildLayout(degrees, SmallVlm(), A100Nodes(2)); }
Layout Separate(const SeparateDegrees& degrees) { return BuildLayout(degrees, SmallVlm(), A100Nodes(2)); }

int Draw(RandomStream& random, int bound) { return static_cast<int>(random.Below(static_cast<std::uint64_t>(bound))); }

/// Two columns of one replica change places.
Seconds SwapPlaces(StepReplay& replay, const Layout& layout, RandomStream& random) {
  const int replica = layout.joins() ? 0 : Draw(random, layout.llm_replicas());
  const int a = replay.PlaceOf(replica, Draw(random, layout.microbatches));
  const int b = replay.PlaceOf(replica, Draw(random, layout.microbatches));
  return replay.Apply({{a, replay.At(b)}, {b, replay.At(a)}});
}

/// The last sample of one bucket goes to another one, of the same column or not; nothing where it would empty it.
Seconds MoveSample(StepReplay& replay, RandomStream& random) {
  const int a = Draw(random, replay.places());
  const int b = Draw(random, replay.places());
  ColumnBuckets source = replay.At(a)->buckets;
  ColumnBuckets target = replay.At(b)->buckets;
  std::vector<int>& from = source[random.Below(source.size())];
  std::vector<int>& to = target[random.Below(target.size())];
  if (a == b || from.size() < 2) return replay.Apply({});
  to.push_back(from.back());
  from.pop_back();
  return replay.Apply({{a, replay.Price(replay.ReplicaOf(a), source)}, {b, replay.Price(replay.ReplicaOf(b), target)}});
}

/// Random moves, every third one taken back; after each the makespan is the full simulation's.
void ExpectExact(const Setting& setting, std::uint64_t seed) {
  StepReplay replay = setting.Replay();
  ASSERT_NEAR(replay.makespan().value() / setting.Simulated(setting.buckets), 1, 1e-12);
  RandomStream random(seed, "moves");
  for (int move = 0; move < 40; ++move) {
    const Seconds before = replay.makespan();
    const Seconds after = move % 2 == 0 ? SwapPlaces(replay, setting.layout, random) : MoveSample(replay, random);
    ASSERT_EQ(after, replay.makespan());
    if (move % 3 == 2) {
      replay.Undo();
      ASSERT_EQ(replay.makespan(), before);
    }
    const Buckets now = replay.buckets();
    ASSERT_EQ(WhyInvalid({now}, setting.layout, static_cast<int>(setting.batch.size())), "");
    ASSERT_NEAR(replay.makespan().value() / setting.Simulated(now), 1, 1e-12)
        << setting.layout.name << ", move " << move;
  }
}

/// A column is all splits of a microbatch.
TEST(StepReplay, IsTheFullSimulationWhereMicrobatchesPassInSplits) {
  for (const Packing packing : {Packing::kPacked, Packing::kPadded}) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      const Layout layout = Homogeneous({.tp = 1, .pp = 4, .dp = 2, .encoder_stages = 1, .microbatches = 6});
      ExpectExact({{.packing = packing}, InSplits(layout, 3), R"({"name": "seq1f1b", "splits": 3})", seed}, seed);
      ExpectExact({{.packing = packing},
                   InSplits(Separate({{{1, 2, 2}}, {2, 3, 2}, 5, Communicator::kDirect}), 2),
                   "seq1f1b",
                   seed},
                  seed);
    }
  }
}

void ExpectExactEverywhere(const SoftwareStack& software) {
  const std::vector<Layout> layouts = {
      Homogeneous({.tp = 2, .pp = 1, .dp = 4, .encoder_stages = 0, .microbatches = 5}),
      Homogeneous({.tp = 1, .pp = 4, .dp = 2, .encoder_stages = 1, .microbatches = 6}),
      Homogeneous({.tp = 1, .pp = 5, .dp = 3, .encoder_stages = 2, .microbatches = 7}),
      Separate({{{2, 1, 3}}, {1, 2, 2}, 6, Communicator::kHub}),
      Separate({{{1, 2, 2}}, {2, 3, 2}, 5, Communicator::kDirect}),
      Separate({{{2, 1, 1}}, {1, 3, 3}, 4, Communicator::kHub}),
  };
  for (const Layout& layout : layouts) {
    for (const char* schedule : {"1f1b", "gpipe"}) {
      for (std::uint64_t seed = 1; seed <= 4; ++seed) ExpectExact({software, layout, schedule, seed}, seed);
    }
  }
}

TEST(StepReplay, IsTheFullSimulationAfterEveryMove) { ExpectExactEverywhere({}); }

TEST(StepReplay, IsTheFullSimulationWhereReductionsHideBehindTheLastBackward) {
  ExpectExactEverywhere({.overlap_gradients = true});
  ExpectExactEverywhere({.overlap_gradients = true, .bucket_bytes = 300'000});
}

TEST(StepReplay, IsTheFullSimulationWhereWeightsAreGatheredBesideTheFirstForward) {
  ExpectExactEverywhere({.sharding = Sharding::kOptimizer,
                         .overlap_gradients = true,
                         .bucket_bytes = 300'000,
                         .overlap_parameters = true});
}

TEST(StepReplay, IsTheFullSimulationWhereMessagesBlock) { ExpectExactEverywhere({.blocking_sends = true}); }

TEST(StepReplay, IsTheFullSimulationOfPaddedBatchesWithADistributedOptimizer) {
  ExpectExactEverywhere({.packing = Packing::kPadded, .sharding = Sharding::kOptimizer});
}

TEST(StepReplay, IsTheFullSimulationWhereForwardsAndBackwardsOverlapInPairs) {
  for (const char* overlap : {"1", "0.75"}) {
    for (const int pp : {2, 3}) {
      const Layout layout = Homogeneous(
          {.tp = 1, .pp = pp, .dp = 2, .encoder_stages = 1, .microbatches = 7, .chunks = 2, .turns_back = true});
      const std::string schedule = std::string(R"({"name": "dualpipev", "overlap": )") + overlap + "}";
      for (std::uint64_t seed = 1; seed <= 3; ++seed) ExpectExact({{}, layout, schedule, seed}, seed);
    }
  }
}

TEST(StepReplay, IsTheFullSimulationOfPipelinesInTwoDirections) {
  for (const char* schedule : {"chimera", "dualpipe", R"({"name": "dualpipe", "overlap": 0.75})"}) {
    for (const int pp : {2, 4}) {
      const Layout layout =
          Homogeneous({.tp = 1, .pp = pp, .dp = 2, .encoder_stages = 1, .microbatches = pp, .directions = 2});
      for (std::uint64_t seed = 1; seed <= 3; ++seed) ExpectExact({{}, layout, schedule, seed}, seed);
      ExpectExact({{.overlap_gradients = true, .bucket_bytes = 300'000}, layout, schedule, 4}, 4);
    }
  }
}

TEST(StepReplay, AdjustedCostsAreTheDurations) {
  // All times doubled, but neither messages nor the optimizer: on one device without replicas the step is the
  // optimizer's time plus twice the rest.
  const Setting setting({}, Homogeneous({.tp = 1, .pp = 1, .dp = 1, .encoder_stages = 0, .microbatches = 4}), "1f1b",
                        1);
  const StepCosts costs = PriceStep(setting.cost, setting.layout,
                                    DivideWork({setting.buckets}, setting.layout, setting.cost, setting.batch));
  const double optimizer = (costs.optimizer[0] + costs.optimizer[1]).value();
  const double plain = setting.Replay().makespan().value();
  const auto twice = [](const Layout&, const Buckets&, StepCosts& adjusted) {
    for (auto& stage : adjusted.stages) {
      for (PartCost& part : stage) {
        part.forward.time *= 2;
        part.backward.time *= 2;
        part.weight_gradient.time *= 2;
      }
    }
  };
  const StepReplay replay(setting.cost, setting.layout, setting.orders, setting.batch, setting.buckets, twice);
  EXPECT_NEAR(replay.makespan().value(), optimizer + 2 * (plain - optimizer), 1e-12 * plain);
}

TEST(StepReplay, TheCriticalPathAddsUpToTheMakespan) {
  const Setting setting({}, Separate({{{1, 1, 2}}, {1, 3, 2}, 6, Communicator::kHub}), "1f1b", 2);
  StepReplay replay = setting.Replay();
  RandomStream random(2, "path");
  for (int move = 0; move < 20; ++move) {
    SwapPlaces(replay, setting.layout, random);
    double sum = 0;
    for (const StepReplay::Passed& operation : replay.CriticalPath()) sum += operation.duration.value();
    EXPECT_NEAR(sum, replay.makespan().value(), 1e-12 * sum);
  }
}

}  // namespace
}  // namespace dflop
