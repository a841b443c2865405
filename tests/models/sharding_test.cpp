// What each of the ranks that hold copies of a part keeps of its state (ZeRO), by hand.
#include "models/sharding.hpp"

#include <gtest/gtest.h>

#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

// A layer of hidden width 1,024 without grouped queries: 12·h² + 13·h parameters (arXiv 2104.04473, section 5.1).
constexpr double kLayer = 12 * 1024.0 * 1024 + 13 * 1024;

StateMemory StateOf(const SoftwareStack& software, int layers, int copies) {
  return Priced(GptModel(1024, layers, 16, 1000), software).cost.State(LayersOnly(0, layers), copies);
}

TEST(Sharding, EachLevelDividesOnePieceOfStateMore) {
  // Four copies of eight layers; 2 bytes of weights, 4 of gradients, 12 of optimizer state.
  const double all = 8 * kLayer;
  const StateMemory none = StateOf({.sharding = Sharding::kNone}, 8, 4);
  EXPECT_EQ(none.weights.value(), 2 * all);
  EXPECT_EQ(none.gradients.value(), 4 * all);
  EXPECT_EQ(none.optimizer.value(), 12 * all);
  EXPECT_EQ(none.buffers.value(), 0);
  const StateMemory zero2 = StateOf({.sharding = Sharding::kGradients}, 8, 4);
  EXPECT_EQ(zero2.weights.value(), 2 * all);
  EXPECT_EQ(zero2.gradients.value(), 4 * all / 4);
  EXPECT_EQ(zero2.optimizer.value(), 12 * all / 4);
  EXPECT_EQ(zero2.buffers.value(), 160e6);  // one bucket of 40 M gradients, of 403 MB
  const StateMemory zero3 = StateOf({.sharding = Sharding::kParameters}, 8, 4);
  EXPECT_EQ(zero3.weights.value(), 2 * all / 4);
  EXPECT_EQ(zero3.gradients.value(), 4 * all / 4);
  EXPECT_EQ(zero3.optimizer.value(), 12 * all / 4);
  // Whole are the layer at work, the one that is gathered ahead, and the gradients of one.
  EXPECT_EQ(zero3.buffers.value(), 2 * 2 * kLayer + 4 * kLayer);
}

TEST(Sharding, BuffersGrowWithPrefetchUnitsAndWhatIsKept) {
  SoftwareStack software{.sharding = Sharding::kParameters};
  software.prefetch = 0;
  EXPECT_EQ(StateOf(software, 8, 4).buffers.value(), 2 * kLayer + 4 * kLayer);
  software.prefetch = 3;
  EXPECT_EQ(StateOf(software, 8, 4).buffers.value(), 4 * 2 * kLayer + 4 * kLayer);
  software.wrapped_layers = 2;  // units 0 … 3 are all there
  EXPECT_EQ(StateOf(software, 8, 4).buffers.value(), 8 * 2 * kLayer + 2 * 4 * kLayer);
  software = {.sharding = Sharding::kParameters};
  software.reshard_after_forward = false;
  EXPECT_EQ(StateOf(software, 8, 4).buffers.value(), 8 * 2 * kLayer + 4 * kLayer);
  // Gradients that are added up over the microbatches are whole until they are reduced.
  software.reduce_every_microbatch = false;
  EXPECT_EQ(StateOf(software, 8, 4).gradients.value(), 8 * 4 * kLayer);
  EXPECT_EQ(StateOf(software, 8, 4).buffers.value(), 8 * 2 * kLayer);
}

TEST(Sharding, AGroupOfRanksDividesAmongItself) {
  SoftwareStack software{.sharding = Sharding::kParameters};
  software.shard_group = 2;
  EXPECT_EQ(StateOf(software, 8, 8).optimizer.value(), 12 * 8 * kLayer / 2);
  EXPECT_EQ(StateOf(software, 8, 8).weights.value(), 2 * 8 * kLayer / 2);
  // A lone rank has nobody to share with, and gathers nothing.
  EXPECT_EQ(StateOf(software, 8, 1).weights.value(), 2 * 8 * kLayer);
  EXPECT_EQ(StateOf(software, 8, 1).buffers.value(), 0);
}

TEST(Sharding, EncodersMayDifferFromTheLlm) {
  const ModelSpec model = BuiltInModel("llava-ov-siglip-so400m-llama3-8b");
  SoftwareStack software{.sharding = Sharding::kParameters};
  software.encoder_sharding = Sharding::kNone;
  const CostModel cost = Priced(model, software).cost;
  EXPECT_EQ(cost.State(WholeModule(model, 0), 8).weights.value(), 2 * cost.Parameters(WholeModule(model, 0)));
  EXPECT_NEAR(cost.State(WholeModule(model, 1), 8).weights.value(), 2 * cost.Parameters(WholeModule(model, 1)) / 8, 1);
}

TEST(Sharding, UnitsAreTheLayersInOrderWithTheEndsAtTheirEnds) {
  const std::vector<ModulePart> units = UnitsOf({.module = 1, .first_layer = 4, .layers = 5, .has_input = true}, 2);
  ASSERT_EQ(units.size(), 3u);
  EXPECT_EQ(units[0].first_layer, 4);
  EXPECT_EQ(units[0].layers, 2);
  EXPECT_TRUE(units[0].has_input);
  EXPECT_FALSE(units[1].has_input);
  EXPECT_EQ(units[2].first_layer, 8);
  EXPECT_EQ(units[2].layers, 1);
  EXPECT_FALSE(units[2].has_output);
  EXPECT_TRUE(UnitsOf({.layers = 1, .has_output = true}, 8).front().has_output);
  EXPECT_EQ(UnitsOf({.layers = 0, .has_input = true}, 1).size(), 1u);  // an embedding alone
}

TEST(Sharding, AGroupThatDoesNotDivideNamesTheNearestThatDo) {
  SoftwareStack software{.sharding = Sharding::kParameters};
  software.shard_group = 3;
  EXPECT_EQ(WhyShardGroup(software, true, 8, 1),
            "shard_group 3 does not divide the 8 ranks that hold the same layers; nearest that does: 2 or 4");
  software.shard_group = 16;
  EXPECT_EQ(WhyShardGroup(software, true, 8, 1),
            "shard_group 16 does not divide the 8 ranks that hold the same layers; nearest that does: 8");
  software.shard_group = 4;
  EXPECT_EQ(WhyShardGroup(software, true, 8, 2), "");
  EXPECT_EQ(WhyShardGroup(software, true, 8, 1), "");
  software.sharding = Sharding::kNone;
  software.shard_group = 3;
  EXPECT_EQ(WhyShardGroup(software, true, 8, 1), "");
}

}  // namespace
}  // namespace dflop
