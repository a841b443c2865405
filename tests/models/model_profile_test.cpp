// The profile against the cost model it was taken from, and against figures worked out by hand.
#include "models/model_profile.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/input_error.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

using Points = std::vector<ThroughputCurve::Point>;

TEST(ThroughputCurve, IsExactAtItsPointsAndLinearBetween) {
  const ThroughputCurve curve(Points{{2, FlopsPerSecond(10)}, {4, FlopsPerSecond(30)}, {8, FlopsPerSecond(26)}});
  EXPECT_EQ(curve.At(2), FlopsPerSecond(10));
  EXPECT_EQ(curve.At(4), FlopsPerSecond(30));
  EXPECT_EQ(curve.At(8), FlopsPerSecond(26));
  EXPECT_DOUBLE_EQ(curve.At(3.5).value(), 25);  // 10 + 1.5/2 · 20
  EXPECT_DOUBLE_EQ(curve.At(5).value(), 29);    // 30 − 1/4 · 4
  EXPECT_EQ(curve.highest(), FlopsPerSecond(30));
}

TEST(ThroughputCurve, GoesToTheOriginBelowAndStaysAbove) {
  const ThroughputCurve curve(Points{{2, FlopsPerSecond(10)}, {4, FlopsPerSecond(30)}});
  EXPECT_DOUBLE_EQ(curve.At(0.5).value(), 2.5);  // work/rate is that of size 2: 2/10 = 0.5/2.5
  EXPECT_EQ(curve.At(1000), FlopsPerSecond(30));
}

ModulePart Whole(const CostModel& cost, int module, int tp) {
  return {module, 0, cost.model().shape(module).layers, true, true, {.tp = tp}};
}

double Time(const PartCost& cost) {
  return (cost.forward.time + cost.backward.time + cost.weight_gradient.time).value();
}

/// Flash and unfused attention, with and without recomputation.
std::vector<SoftwareStack> Stacks() {
  std::vector<SoftwareStack> stacks(3);
  stacks[1].recompute = Recompute::kFull;
  stacks[2].attention = AttentionKind::kUnfused;
  stacks[2].recompute = Recompute::kSelective;
  return stacks;
}

TEST(ModelProfile, EqualsTheCostModelAtEveryPointOfTheGrid) {
  for (const SoftwareStack& software : Stacks()) {
    const CostModel cost = SmallJob(1, software);
    const ModelProfile profile = ProfileModel(cost);
    const ModuleProfile& encoder = profile.modules[0];
    const ModuleProfile& llm = profile.modules[1];
    ASSERT_EQ(encoder.ranks.size(), 4u);
    ASSERT_EQ(llm.ranks.size(), 4u);
    for (const RankProfile& rank : encoder.ranks) {
      for (const double tiles : ProfileGrid().tiles) {
        const PartCost priced = cost.Part(Whole(cost, 0, rank.tp), EncoderBatch(cost.model().encoders[0], tiles));
        EXPECT_NEAR(encoder.LinearTime(rank, tiles).value() / Time(priced), 1, 1e-9) << "tp " << rank.tp;
      }
    }
    for (const RankProfile& rank : llm.ranks) {
      for (const double tokens : ProfileGrid().tokens) {
        const PartCost priced =
            cost.Part(Whole(cost, 1, rank.tp), LlmBatch({static_cast<int>(tokens)}, Packing::kPacked));
        const double time = (llm.LinearTime(rank, tokens) + llm.AttentionTime(rank, tokens)).value();
        EXPECT_NEAR(time / Time(priced), 1, 1e-9) << "tp " << rank.tp << ", " << tokens << " tokens";
      }
    }
  }
}

TEST(ModelProfile, RatesAreFlopsPerSecondAndGpu) {
  // 1,024 tokens of the small LLM without recomputation, attention skipped: 3·2·1024·(12·layer + head) FLOPs with
  // layer = 1024·(3·1024 + 1024 + 2·4096 + 4096) and head = 32000·1024 weights.
  const CostModel cost = SmallJob();
  const ModelProfile profile = ProfileModel(cost);
  const RankProfile& rank = *profile.modules[1].Find(2);
  const double weights = 12 * 1024.0 * (3 * 1024 + 1024 + 2 * 4096 + 4096) + 32000 * 1024.0;
  SequenceBatch skipped;
  skipped.tokens = skipped.useful_tokens = 1024;
  const double time = Time(cost.Part(Whole(cost, 1, 2), skipped));
  EXPECT_NEAR(rank.linear.At(1024).value(), 6 * 1024 * weights / time / 2, 1e-6 * rank.linear.At(1024).value());
}

TEST(ModelProfile, ThroughputPerGpuFallsWithTensorParallelismAndLessSoForLargerInputs) {
  // Fig 2 of the paper: degradation grows with TP and shrinks as batch or length grows.
  const ModelProfile profile = ProfileModel(SmallJob());
  for (const ModuleProfile& module : profile.modules) {
    const Points& sizes = module.ranks.front().linear.points();
    for (std::size_t r = 1; r < module.ranks.size(); ++r) {
      const auto degradation = [&](double size) {
        return module.ranks[r].linear.At(size) / module.ranks.front().linear.At(size);
      };
      for (const auto& point : sizes) {
        EXPECT_LT(module.ranks[r].linear.At(point.size), module.ranks[r - 1].linear.At(point.size));
      }
      EXPECT_LT(degradation(sizes.front().size), degradation(sizes.back().size)) << module.name;
    }
  }
}

TEST(ModelProfile, MemoryLinesEqualTheCostModel) {
  SoftwareStack unfused;
  unfused.attention = AttentionKind::kUnfused;
  SoftwareStack sharded;
  sharded.sharding = Sharding::kOptimizer;
  for (const SoftwareStack& software : {SoftwareStack(), unfused, sharded}) {
    const CostModel cost = SmallJob(1, software);
    const ModelProfile profile = ProfileModel(cost);
    for (int m = 0; m < 2; ++m) {
      const ModuleProfile& module = profile.modules[static_cast<std::size_t>(m)];
      const RankProfile& rank = *module.Find(4);
      // The fuller of the two outer stages, 3 layers of 8 or 12 in 4 stages ⌈8/4⌉ = 2, ⌈12/4⌉ = 3; replicas: 5.
      ModulePart part = Whole(cost, m, 4);
      part.layers = m == 0 ? 2 : 3;
      double fullest = 0;
      for (const bool first : {true, false}) {
        part.has_input = first;
        part.has_output = !first;
        const StateMemory state = cost.State(part, 5);
        fullest = std::max(fullest, (state.weights + state.gradients + state.optimizer).value());
      }
      EXPECT_NEAR(module.State(rank, 4, 5).value() / fullest, 1, 1e-12);
      const SequenceBatch batch =
          m == 0 ? EncoderBatch(cost.model().encoders[0], 7) : LlmBatch({300, 700}, Packing::kPacked);
      const double size = m == 0 ? 7 : 1000;
      const double squares = m == 0 ? 0 : 300.0 * 300 + 700.0 * 700;
      const Bytes line = rank.activations * size + rank.square_activations * squares;
      EXPECT_NEAR(line / cost.Activations(Whole(cost, m, 4), batch), 1, 1e-12);
    }
  }
}

TEST(ModelProfile, WaitingForTheHostNeverMakesAttentionFree) {
  SoftwareStack eager;
  eager.host_per_kernel = Seconds(1);  // everything waits
  const ModuleProfile llm = ProfileModel(SmallJob(1, eager)).modules[1];
  for (const RankProfile& rank : llm.ranks) EXPECT_GT(llm.AttentionTime(rank, 1024), Seconds(0));
  // 12 layers of 24 + 36 + 12 kernels, the head's and the embedding's besides
  EXPECT_GE(llm.LinearTime(llm.ranks[0], 1024), Seconds(12 * 72));
}

TEST(ModelProfile, ReadsBackWhatItWrote) {
  SoftwareStack unfused;
  unfused.attention = AttentionKind::kUnfused;
  unfused.sharding = Sharding::kOptimizer;
  for (const SoftwareStack& software : {SoftwareStack(), unfused}) {
    const Json written = ToJson(ProfileModel(SmallJob(1, software)));
    const Json text = ParseJson(written.Dump(1), "profile");
    const ModelProfile read = ReadModelProfile(JsonReader(text, "profile"));
    EXPECT_EQ(ToJson(read), written);
    EXPECT_TRUE(read.modules[1].is_llm);
  }
}

TEST(ModelProfile, RefusesWhatIsNoCurve) {
  for (const auto& [sizes, rates] : {std::pair("[1, 2]", "[5]"), std::pair("[]", "[]"), std::pair("[2, 1]", "[5, 6]"),
                                     std::pair("[0, 1]", "[5, 6]"), std::pair("[1, 2]", "[5, 0]")}) {
    Json profile = ToJson(ProfileModel(SmallJob()));
    Json& rank = profile["modules"].as<Json::Array>()[0]["tensor_parallel"].as<Json::Array>()[2];
    rank["throughput"]["tiles"] = ParseJson(sizes, "sizes");
    rank["throughput"]["flops_per_s"] = ParseJson(rates, "rates");
    const std::string error = ErrorOf([&] { ReadModelProfile(JsonReader(profile, "p")); });
    EXPECT_EQ(error.find("/modules/0/tensor_parallel/2/throughput: "), 0u) << error;
  }
}

TEST(ModelProfile, FileHoldsEveryCurveWithItsUnits) {
  const Json json = ToJson(ProfileModel(SmallJob()));
  const Json text = ParseJson(json.Dump(1), "profile");
  EXPECT_EQ(text.find("schema")->as<std::string>(), "dflop/model-profile/1");
  const auto& modules = text.find("modules")->as<Json::Array>();
  ASSERT_EQ(modules.size(), 2u);
  const Json& rank = modules[1].find("tensor_parallel")->as<Json::Array>()[3];
  EXPECT_EQ(rank.find("tp")->number(), 8);
  EXPECT_EQ(rank.find("attention")->find("tokens")->as<Json::Array>().size(),
            rank.find("attention")->find("flops_per_s")->as<Json::Array>().size());
  EXPECT_NE(modules[0].find("tensor_parallel")->as<Json::Array>()[0].find("throughput")->find("tiles"), nullptr);
}

}  // namespace
}  // namespace dflop
