// Plans that were made elsewhere: the released optimizer's configuration and buckets from any solver.
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/flat_yaml.hpp"
#include "tests/input_error.hpp"
#include "tests/sim/plan_support.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

std::string YamlError(const std::string& text) {
  return ErrorOf([&] { ParseFlatYaml(text, "c.yaml"); });
}

TEST(FlatYaml, ReadsNestedMappingsOfScalars) {
  const Json json = ParseFlatYaml(
      "---\n# plan\nseed: 42\nsize: 6b\nquoted: '7b'\nrate: 208.5  # TFLOP/s\nnone: null\non: true\n"
      "inner:\n    deep: -3\n    empty:\nlast: a b\n",
      "c.yaml");
  EXPECT_EQ(json.Dump(), R"({"seed":42,"size":"6b","quoted":"7b","rate":208.5,"none":null,"on":true,)"
                         R"("inner":{"deep":-3,"empty":null},"last":"a b"})");
}

TEST(FlatYaml, NamesTheLineOfWhatItDoesNotRead) {
  EXPECT_NE(YamlError("a: 1\n- b\n").find("c.yaml:2: "), std::string::npos);
  EXPECT_NE(YamlError("a: 1\na: 2\n").find("c.yaml:2: "), std::string::npos);
  EXPECT_NE(YamlError("a: 1\n  b: 2\n").find("c.yaml:2: "), std::string::npos);
  EXPECT_NE(YamlError("a:\n  b: 2\n c: 3\n").find("c.yaml:3: "), std::string::npos);
  EXPECT_NE(YamlError("a: [1, 2]\n").find("c.yaml:1: "), std::string::npos);
  EXPECT_NE(YamlError("\ta: 1\n").find("c.yaml:1: "), std::string::npos);
  EXPECT_NE(YamlError("a: 'x\n").find("c.yaml:1: "), std::string::npos);
}

class GivenPlans : public testing::Test {
 protected:
  static std::string Config(const std::string& batch = "32", const std::string& encoder_tp = "2") {
    return "seed: 42\nvision_model_name: eye\nvision_model_size: own\nllm_model_name: tiny\nllm_model_size: 1b\n"
           "global_batch_size: " +
           batch + "\nnum_batches: 4\nnum_training_steps: 10\nparallel_config:\n  vision_tp_size: " + encoder_tp +
           "\n  vision_pp_size: 1\n  vision_dp_size: 2\n  vision_thr: 100.5\n  llm_tp_size: 1\n  llm_pp_size: 2\n"
           "  llm_dp_size: 2\n  llm_thr: 90.0\n";
  }
  LayoutDecision Plan(const std::string& config) {
    WriteFile(folder_ / "c.yaml", config);
    return Plugin<LayoutPlanner>(R"({"name": "fixed", "file": ")" + folder_ / "c.yaml" + R"("})")->Plan(problem_);
  }
  std::string Error(const std::string& config) {
    return ErrorOf([&] { Plan(config); });
  }
  std::string BucketsError(const std::string& seeds, std::int64_t seed = 1, int step = 0) {
    return ErrorOf([&] { Run(seeds, seed, step); });
  }
  BatchPlan Run(const std::string& seeds, std::int64_t seed = 1, int step = 0, bool rehearsal = false) {
    WriteFile(folder_ / "b.json", R"({"schema": "dflop/buckets/1", "seeds": )" + seeds + "}");
    BatchProblem problem{2, 2, {{1, 2, 3, 4, 5}}};
    problem.seed = seed;
    problem.step = step;
    problem.rehearsal = rehearsal;
    RandomStream random(1, "buckets");
    const auto batcher = Plugin<BatchScheduler>(R"({"name": "buckets", "file": ")" + folder_ / "b.json" + R"("})");
    return batcher->Schedule(problem, random);
  }

  TemporaryFolder folder_;
  CostModel cost_ = SmallJob();
  std::vector<SampleShape> samples_ = UnevenSamples(32, 1);
  std::unique_ptr<BatchScheduler> batcher_ = Plugin<BatchScheduler>("lpt-2d");
  std::unique_ptr<PipelineSchedule> schedule_ = Plugin<PipelineSchedule>("1f1b");
  PlanningProblem problem_{cost_, 32, samples_, *batcher_, *schedule_, 1};
};

TEST_F(GivenPlans, FixedReadsTheReleasedConfiguration) {
  const Layout layout = Plan(Config()).layout;
  EXPECT_EQ(layout.microbatches, 4);
  EXPECT_EQ(DegreesOf(layout)[0].tp, 2);
  EXPECT_EQ(DegreesOf(layout)[0].dp, 2);
  EXPECT_EQ(DegreesOf(layout)[1].pp, 2);
  EXPECT_EQ(DegreesOf(layout)[1].dp, 2);
  EXPECT_EQ(layout.gpus_used(), 8);
}

TEST_F(GivenPlans, FixedNamesTheKeyOfAWrongConfiguration) {
  EXPECT_NE(Error(Config("64")).find("c.yaml:/global_batch_size: is 64, the scenario's is 32"), std::string::npos);
  EXPECT_NE(Error(Config("32", "0")).find("c.yaml:/parallel_config/vision_tp_size: is 0"), std::string::npos);
  EXPECT_NE(Error(Config("32", "16")).find("c.yaml:/parallel_config: "), std::string::npos);
  EXPECT_NE(Error(Config() + "more: 1\n").find("c.yaml:/more: "), std::string::npos);
  std::string llama = Config();
  llama.replace(llama.find("tiny"), 4, "llama3").replace(llama.find("1b"), 2, "8b");
  EXPECT_NE(Error(llama).find("c.yaml:/llm_model_name: is llama3 8b, which has 32 layers of width 4096"),
            std::string::npos)
      << Error(llama);
  EXPECT_NE(ErrorOf([] {
              Plugin<LayoutPlanner>(R"({"name": "fixed", "file": "/nowhere/c.yaml", "microbatches": 2})");
            }).find("/microbatches"),
            std::string::npos);
}

TEST_F(GivenPlans, BucketJIsMicrobatchJDivReplicasOfReplicaJModReplicas) {
  const BatchPlan plan = Run(R"({"7": [[], [[4], [0], [1, 3], [2]]]})", 7, 1);
  EXPECT_EQ(plan.buckets, (Buckets{{{4}, {1, 3}}, {{0}, {2}}}));
  EXPECT_EQ(plan.instead, "");
}

TEST_F(GivenPlans, BucketsNameThePlaceOfWhatIsWrong) {
  EXPECT_NE(BucketsError(R"({"1": [[[4], [0], [1, 4], [2]]]})").find("b.json:/seeds/1/0/2/1: is 4, twice"),
            std::string::npos);
  EXPECT_NE(BucketsError(R"({"1": [[[4], [0], [1], [2]]]})").find("b.json:/seeds/1/0: lacks sample 3"),
            std::string::npos);
  EXPECT_NE(BucketsError(R"({"1": [[[4], [0], [1, 3], [5]]]})").find("b.json:/seeds/1/0/3/0: is 5"), std::string::npos);
  EXPECT_NE(BucketsError(R"({"1": [[[4], [0], [1, 2, 3]]]})").find("b.json:/seeds/1/0: has 3 buckets"),
            std::string::npos);
  EXPECT_NE(BucketsError(R"({"1": [[[4], [], [1], [2]]]})").find("b.json:/seeds/1/0/1: is empty"), std::string::npos);
  EXPECT_NE(BucketsError(R"({"1": []})", 1, 0).find("b.json:/seeds/1: has 0 steps"), std::string::npos);
  EXPECT_NE(BucketsError(R"({"1": []})", 2, 0).find("b.json:/seeds: lacks"), std::string::npos);
}

TEST_F(GivenPlans, PlannersGetAnAnswerForTheirOwnBatches) {
  EXPECT_EQ(Run(R"({"1": []})", 0, 0, true).buckets.size(), 2u);
}

}  // namespace
}  // namespace dflop
