// Which kernels a profile measures, and in which order.
#include "real_runner/profile/profile_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "real_runner/kernels/layer_operations.hpp"
#include "real_runner/kernels/row_shapes.hpp"

namespace dflop {
namespace {

PlanOptions Cpu() {
  PlanOptions options;
  options.dtype = "fp32";
  options.flop_cap = 1e9;
  options.byte_cap = 1 << 26;
  return options;
}

std::vector<std::string> Keys(const ProfilePlan& plan) {
  std::vector<std::string> keys;
  for (const CostRow& row : plan.rows) keys.push_back(RowKey(row));
  return keys;
}

std::size_t Position(const ProfilePlan& plan, const CostRow& row) {
  const std::vector<std::string> keys = Keys(plan);
  return static_cast<std::size_t>(std::find(keys.begin(), keys.end(), RowKey(row)) - keys.begin());
}

const ProfilePlan& TinyPlan() {
  static const ProfilePlan kPlan = PlanProfile({BuiltInModel("tiny-vlm")}, Cpu());
  return kPlan;
}

const ProfilePlan& LargePlan() {
  static const ProfilePlan kPlan = PlanProfile({BuiltInModel("llava-ov-siglip-so400m-llama3-8b")}, {});
  return kPlan;
}

TEST(ProfilePlan, IsTheSameEveryTimeAndHoldsNoRowTwice) {
  const std::vector<std::string> keys = Keys(TinyPlan());
  EXPECT_EQ(keys, Keys(PlanProfile({BuiltInModel("tiny-vlm")}, Cpu())));
  EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), keys.size());
}

TEST(ProfilePlan, OfSeveralModelsIsTheirUnion) {
  const std::string names[] = {"tiny-vlm", "llava-ov-siglip-so400m-llama3-8b"};
  const ProfilePlan both = PlanProfile({BuiltInModel(names[0]), BuiltInModel(names[1])}, {});
  const std::vector<std::string> keys = Keys(both);
  const std::set<std::string> together(keys.begin(), keys.end());
  EXPECT_EQ(together.size(), keys.size());
  EXPECT_EQ(both.layers.size(), 8u);
  for (const std::string& name : names) {
    for (const std::string& key : Keys(PlanProfile({BuiltInModel(name)}, {})))
      EXPECT_EQ(together.count(key), 1u) << key;
  }
  EXPECT_EQ(Keys(PlanProfile({BuiltInModel(names[0]), BuiltInModel(names[0])}, Cpu())), Keys(TinyPlan()));
}

TEST(ProfilePlan, PacksAreUnequalSequencesOfTheJob) {
  // Samples of dflop-mix under LLaVA-OneVision: from a few hundred tokens to a 30 s video, 30·14·15 tokens and text.
  std::vector<std::size_t> samples;
  for (const CostRow& row : LargePlan().rows) {
    if (row.op != "attention_packed") continue;
    samples.push_back(row.lengths.size());
    EXPECT_GT(std::set<std::int64_t>(row.lengths.begin(), row.lengths.end()).size(), row.lengths.size() / 2);
    for (const std::int64_t length : row.lengths) EXPECT_TRUE(length > 10 && length < 20000) << length;
    EXPECT_EQ(row.dimension("heads"), 32);
    EXPECT_EQ(row.dimension("kv_heads"), 8);
  }
  EXPECT_EQ(samples, (std::vector<std::size_t>{4, 4, 8, 8, 16, 16}));
}

TEST(ProfilePlan, LayersComeEarlyAndAfterAllTheirKernels) {
  for (const ProfilePlan* plan : {&TinyPlan(), &LargePlan()}) {
    ASSERT_EQ(plan->layers.size(), 4u);  // encoder and LLM, forward and backward
    for (const CostRow& layer : plan->layers) {
      const std::size_t at = Position(*plan, layer);
      EXPECT_LT(at, 80u);
      for (const LayerPart& part : LayerParts(layer)) EXPECT_LT(Position(*plan, part.row), at) << RowKey(part.row);
    }
  }
}

TEST(ProfilePlan, HoldsTheGemmsOfTheModelInAllDirectionsAndDegrees) {
  // Llama 3 8B: hidden 4096, FFN 14336, 8 key/value heads of 128. At TP 4: QKV is 1024 + 2·256 = 1536 wide, up and gate
  // 2·14336/4 = 7168. SigLIP: hidden 1152, FFN 4304, 729 tokens per tile.
  for (const char* direction : {"forward", "input_gradient", "weight_gradient"}) {
    const auto has = [&](double m, double n, double k) {
      return Position(LargePlan(), GemmRow(m, n, k, direction, "bf16")) < LargePlan().rows.size();
    };
    EXPECT_TRUE(has(4096, 1536, 4096));
    EXPECT_TRUE(has(16384, 7168, 4096));
    EXPECT_TRUE(has(1024, 4096, 14336));
    EXPECT_TRUE(has(8192, 128256, 4096));  // the head
    EXPECT_TRUE(has(32 * 729, 4304, 1152));
  }
}

TEST(ProfilePlan, HoldsAttentionOfBothKindsForwardAndBackward) {
  for (const char* direction : {"forward", "backward"}) {
    const auto has = [&](bool causal, const std::vector<double>& sizes) {
      return Position(LargePlan(), AttentionRow(causal, sizes, direction, "bf16")) < LargePlan().rows.size();
    };
    EXPECT_TRUE(has(true, {8, 2048, 32, 8, 128}));
    EXPECT_TRUE(has(true, {4, 8192, 4, 1, 128}));  // TP 8
    EXPECT_TRUE(has(false, {16, 729, 16, 16, 72}));
  }
}

TEST(ProfilePlan, EveryOperationHasRows) {
  std::map<std::string, int> rows;
  for (const CostRow& row : TinyPlan().rows) ++rows[row.op];
  for (const char* op : {"gemm", "attention_causal", "attention_full", "attention_packed", "norm", "activation", "rope",
                         "add", "softmax", "embedding", "copy", "loss", "optimizer", "launch", "layer"}) {
    EXPECT_GT(rows[op], 0) << op;
  }
  EXPECT_EQ(rows["all_reduce"], 0);
}

TEST(ProfilePlan, NoRowExceedsItsCap) {
  for (const CostRow& row : TinyPlan().rows) {
    EXPECT_LE(RowFlops(row), Cpu().flop_cap) << RowKey(row);
    EXPECT_LE(IsMemoryBound(row.op) ? row.dimension("bytes") : 0, Cpu().byte_cap) << RowKey(row);
  }
}

TEST(ProfilePlan, JobShapesComeByTheirShareOfAStep) {
  // Of the 8B model's GEMMs that are no part of the first layers, the largest share is an FFN's at TP 1.
  const std::size_t ffn = Position(LargePlan(), GemmRow(32768, 28672, 4096, "forward", "bf16"));
  const std::size_t small = Position(LargePlan(), GemmRow(1024, 512, 4096, "forward", "bf16"));
  ASSERT_LT(ffn, LargePlan().rows.size());
  EXPECT_LT(ffn, small);
}

TEST(ProfilePlan, GridCornersComeBeforeWhatLiesBetween) {
  const ProfilePlan& plan = TinyPlan();
  std::vector<double> sizes;
  for (const CostRow& row : plan.rows) {
    if (row.op == "gemm" && row.direction == "forward") sizes.push_back(row.dimension("k"));
  }
  const auto [least, most] = std::minmax_element(sizes.begin(), sizes.end());
  // The last tenth of the rows refines: it widens no dimension.
  const auto head = sizes.begin() + static_cast<std::ptrdiff_t>(sizes.size() * 9 / 10);
  EXPECT_EQ(*std::min_element(sizes.begin(), head), *least);
  EXPECT_EQ(*std::max_element(sizes.begin(), head), *most);
}

TEST(ProfilePlan, CollectivesOverAllDevicesOrOneRowEachToSayWhyNot) {
  PlanOptions options;
  const auto count = [&](int devices) {
    options.devices = devices;
    const ProfilePlan plan = PlanProfile({BuiltInModel("llama3-8b")}, options);
    return std::count_if(plan.rows.begin(), plan.rows.end(), [&](const CostRow& row) {
      return row.shape.size() == 2 && row.shape[1].first == "ranks" && row.shape[1].second == std::max(2, devices);
    });
  };
  EXPECT_EQ(count(0), 0);
  EXPECT_EQ(count(1), 5);
  EXPECT_EQ(count(8), 5 * 11);  // 1 KiB to 1 GiB in steps of four
}

}  // namespace
}  // namespace dflop
