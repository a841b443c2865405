// Defaults, every key there and back, and the place that each mistake is told at.
#include "models/software_stack.hpp"

#include <gtest/gtest.h>

#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

SoftwareStack StackFrom(const std::string& text) {
  const Json json = ParseJson(text, "scenario.json");
  return ReadSoftwareStack(JsonReader(json, "scenario.json"));
}

TEST(SoftwareStack, DefaultsAreThoseOfTheRulings) {
  const SoftwareStack stack = StackFrom(R"({"model": "someone else's key"})");
  EXPECT_EQ(stack.precision, Precision::kBf16);
  EXPECT_EQ(stack.recompute, Recompute::kNone);
  EXPECT_EQ(stack.attention, AttentionKind::kFlash);
  EXPECT_EQ(stack.packing, Packing::kPacked);
  EXPECT_EQ(stack.bytes_per_parameter, 18);
  EXPECT_FALSE(stack.shards());
}

TEST(SoftwareStack, ReadsEveryKeyAndPrintsItAgain) {
  const std::string text =
      R"({"precision":"fp16","recompute":"selective","attention":"unfused","packing":"padded","software":)"
      R"({"host_s_per_kernel":1e-05,"bytes_per_parameter":8.5,"gradient_bytes":2.5,"distributed_optimizer":true,)"
      R"("overlap_gradients":true,"bucket_bytes":25000000.5,"overlap_parameters":true,"blocking_sends":true,)"
      R"("scatter_transfers":false,"vocabulary_multiple":64,"dropout":0.1,"workspace_bytes":1000.5,)"
      R"("fragmentation":0.25}})";
  EXPECT_EQ(ToJson(StackFrom(text)), ParseJson(text, ""));
}

TEST(SoftwareStack, ShardingIsReadAndPrintedWhereItIsNotTheUsual) {
  const SoftwareStack stack =
      StackFrom(R"({"software": {"sharding": "zero3", "encoder_sharding": "zero1", "shard_group": 8, "prefetch": 0,)"
                R"("reshard_after_forward": false, "wrapped_layers": 2, "reduce_every_microbatch": false,)"
                R"("context_parallel": "ulysses"}})");
  EXPECT_EQ(stack.sharding_of(true), Sharding::kParameters);
  EXPECT_EQ(stack.sharding_of(false), Sharding::kOptimizer);
  EXPECT_FALSE(stack.reduces_every_microbatch(true));
  const Json printed = ToJson(stack);
  EXPECT_EQ(ToJson(StackFrom(printed.Dump())), printed);
  EXPECT_EQ(printed.find("software")->find("sharding")->as<std::string>(), "zero3");
  // zero1 has an older name, under which it is printed; nothing else is there by default.
  EXPECT_EQ(ToJson(StackFrom(R"({"software": {"sharding": "zero1"}})")),
            ToJson(StackFrom(R"({"software": {"distributed_optimizer": true}})")));
  EXPECT_EQ(ToJson(SoftwareStack{}).find("software")->find("sharding"), nullptr);
  EXPECT_TRUE(StackFrom(R"({"software": {"sharding": "zero2"}})").reduces_every_microbatch(true));
}

TEST(SoftwareStack, EveryMistakeNamesItsPlace) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"precision": "int8"})", "/precision"},
      {R"({"recompute": "some"})", "/recompute"},
      {R"({"attention": true})", "/attention"},
      {R"({"packing": "dense"})", "/packing"},
      {R"({"software": []})", "/software"},
      {R"({"software": {"host_s_per_kernels": 0}})", "/software/host_s_per_kernels"},
      {R"({"software": {"host_s_per_kernel": -1}})", "/software/host_s_per_kernel"},
      {R"({"software": {"bytes_per_parameter": 5}})", "/software/bytes_per_parameter"},  // 2 + 4 at least
      {R"({"software": {"bytes_per_parameter": 65}})", "/software/bytes_per_parameter"},
      {R"({"software": {"distributed_optimizer": 1}})", "/software/distributed_optimizer"},
      {R"({"software": {"distributed_optimizer": true, "sharding": "none"}})", "/software/distributed_optimizer"},
      {R"({"software": {"distributed_optimizer": false, "sharding": "zero3"}})", "/software/distributed_optimizer"},
      {R"({"software": {"sharding": "zero4"}})", "/software/sharding"},
      {R"({"software": {"shard_group": 0}})", "/software/shard_group"},
      {R"({"software": {"prefetch": -1}})", "/software/prefetch"},
      {R"({"software": {"context_parallel": "star"}})", "/software/context_parallel"},
      {R"({"software": {"bucket_bytes": 0}})", "/software/bucket_bytes"},
      {R"({"software": {"overlap_parameters": "yes"}})", "/software/overlap_parameters"},
      {R"({"software": {"blocking_sends": 1}})", "/software/blocking_sends"},
      {R"({"software": {"vocabulary_multiple": 0}})", "/software/vocabulary_multiple"},
      {R"({"software": {"vocabulary_multiple": 1.5}})", "/software/vocabulary_multiple"},
      {R"({"software": {"dropout": 1}})", "/software/dropout"},
  };
  for (const auto& [text, pointer] : cases) {
    const std::string bad = text;
    const std::string error = ErrorOf([&] { StackFrom(bad); });
    EXPECT_EQ(error.substr(0, pointer.size() + 2), pointer + ": ") << text << "\n" << error;
  }
}

}  // namespace
}  // namespace dflop
