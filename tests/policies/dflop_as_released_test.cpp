// The plug-in around the released code's rule: what it decides from, and what becomes of a pick that cannot run.
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "models/release_measurement.hpp"
#include "models/release_names.hpp"
#include "tests/input_error.hpp"
#include "tests/sim/plan_support.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

struct ReleasedJob {
  CostModel cost = SmallJob();
  std::vector<SampleShape> samples = UnevenSamples(32, 1);
  std::unique_ptr<BatchScheduler> batcher = Plugin<BatchScheduler>("lpt-2d");
  std::unique_ptr<PipelineSchedule> schedule = Plugin<PipelineSchedule>("1f1b");
  PlanningProblem problem() { return {cost, 32, samples, *batcher, *schedule, 1}; }
  ReleaseProfile Measured(bool tp1_without_recompute = false) const {
    return MeasureAsReleased(cost, samples, tp1_without_recompute);
  }
};

std::unique_ptr<LayoutPlanner> From(const std::string& folder) {
  return Plugin<LayoutPlanner>(R"({"name": "dflop-as-released", "profile": ")" + folder + R"("})");
}

std::string WhyInfeasible(const LayoutPlanner& planner, ReleasedJob& job) {
  try {
    return "found " + planner.Plan(job.problem()).layout.name;
  } catch (const Infeasible& reason) {
    return reason.what();
  }
}

TEST(DflopAsReleased, PlansTheSameFromItsFilesAsWithout) {
  for (const bool forgets : {false, true}) {
    for (const int nodes : {1, 2}) {
      TemporaryFolder folder;
      ReleasedJob job;
      job.cost = SmallJob(nodes);
      WriteReleaseProfile(folder.path(), ReleaseNamesOf(job.cost.model()), job.Measured(forgets));
      const std::string spec =
          std::string(R"({"name": "dflop-as-released", "tp1_without_recompute": )") + (forgets ? "true}" : "false}");
      const LayoutDecision without = Plugin<LayoutPlanner>(spec)->Plan(job.problem());
      job.samples = {{{1}, 100, 100}};  // the profile's own samples count
      const LayoutDecision from_files = From(folder.path())->Plan(job.problem());
      EXPECT_EQ(from_files.layout.name, without.layout.name);
      EXPECT_EQ(from_files.predicted.value(), without.predicted.value());
    }
  }
}

TEST(DflopAsReleased, UsesAllGpusAndSaysWhatItsTimeIs) {
  ReleasedJob job;
  const LayoutDecision decision = Plugin<LayoutPlanner>("dflop-as-released")->Plan(job.problem());
  EXPECT_EQ(decision.layout.gpus_used(), 8);
  EXPECT_NE(decision.reason.find("its formula's"), std::string::npos) << decision.reason;
}

TEST(DflopAsReleased, ForgetsRecomputeWithOneRankOnly) {
  ReleasedJob job;
  SoftwareStack software;
  software.recompute = Recompute::kFull;
  job.cost = SmallJob(1, software);
  const ReleaseProfile kept = job.Measured();
  const ReleaseProfile forgotten = job.Measured(true);
  for (std::size_t i = 0; i < kept.encoder.size(); ++i) {
    const double ratio = forgotten.encoder[i].time_ms / kept.encoder[i].time_ms;
    if (kept.encoder[i].tp == 1) {
      EXPECT_LT(ratio, 0.9);
    } else {
      EXPECT_EQ(ratio, 1);
    }
  }
  EXPECT_GT(forgotten.llm_memory[0].forward_gib, kept.llm_memory[0].forward_gib);
}

TEST(DflopAsReleased, RunsWhatItsRuleBelievesToFit) {
  TemporaryFolder folder;
  ReleasedJob job;
  ReleaseProfile profile = job.Measured();
  for (auto* rows : {&profile.encoder_memory, &profile.llm_memory}) {
    for (ReleaseProfile::Memory& row : *rows) row.state_gib = row.forward_gib = 1e-6;
  }
  WriteReleaseProfile(folder.path(), ReleaseNamesOf(job.cost.model()), profile);
  ClusterSpec cluster = A100Nodes(1);
  cluster.only_node().gpu.memory = Bytes(1e9);
  job.cost = CostModel(SmallVlm(), cluster, BuiltInKernelCosts(cluster.only_node().gpu), {});
  const LayoutDecision decision = From(folder.path())->Plan(job.problem());
  EXPECT_FALSE(decision.candidates.front().fits);
  EXPECT_NE(decision.reason.find("runs though it does not fit"), std::string::npos) << decision.reason;
}

TEST(DflopAsReleased, SaysWhatItsRulePicksWhereThatCannotBeBuilt) {
  // Two nodes: one GPU encodes, 15 remain. One layer a stage is all that the files let pass: 15 stages of 12 layers.
  TemporaryFolder folder;
  ReleasedJob job;
  job.cost = SmallJob(2);
  ReleaseProfile profile = job.Measured();
  std::erase_if(profile.llm, [](const auto& row) { return row.tp > 1; });
  for (ReleaseProfile::Memory& row : profile.llm_memory) {
    row.state_gib = 62 + 2 * row.layers;
    row.forward_gib = 0;
  }
  WriteReleaseProfile(folder.path(), ReleaseNamesOf(job.cost.model()), profile);
  const std::string why = WhyInfeasible(*From(folder.path()), job);
  EXPECT_NE(why.find("LLM tp 1, pp 15, dp 1"), std::string::npos) << why;
  EXPECT_NE(why.find("which cannot run"), std::string::npos) << why;
}

TEST(DflopAsReleased, SaysWhatDoesNotFit) {
  ReleasedJob job;
  ClusterSpec cluster = A100Nodes(1);
  cluster.only_node().gpu.memory = Bytes(1e9);
  job.cost = CostModel(SmallVlm(), cluster, BuiltInKernelCosts(cluster.only_node().gpu), {});
  const std::string why = WhyInfeasible(*Plugin<LayoutPlanner>("dflop-as-released"), job);
  EXPECT_NE(why.find("GiB on a GPU of its"), std::string::npos) << why;
}

TEST(DflopPlanners, GiveATextOnlyModelAllGpus) {
  ReleasedJob job;
  ModelSpec text_only = SmallVlm();
  text_only.encoders.clear();
  job.cost = CostModel(text_only, A100Nodes(1), BuiltInKernelCosts(A100Nodes(1).only_node().gpu), {});
  job.samples = {{{}, 1000, 1000}, {{}, 300, 300}};
  for (const char* name : {"dflop", "dflop-as-released"}) {
    const Layout layout = Plugin<LayoutPlanner>(name)->Plan(job.problem()).layout;
    EXPECT_EQ(layout.gpus_used(), 8) << name;
    EXPECT_EQ(layout.modules(), 1) << name;
  }
}

TEST(ReleaseFiles, HaveTheNamesAndColumnsOfTheRelease) {
  TemporaryFolder folder;
  ReleasedJob job;
  const ModelSpec model = BuiltInModel("llava-ov-siglip-2.4b-llama3-8b");
  WriteReleaseProfile(folder.path(), ReleaseNamesOf(model), job.Measured());
  EXPECT_TRUE(ReadFile(folder / "thr_llavaov_siglip_6b.csv").starts_with("batch_size,model_time,num_layers,tp_size\n"));
  for (const char* name : {"thr_llavaov_llama3_8b.csv", "thr_llavaov_llama3_8b_skip_attn.csv"}) {
    EXPECT_TRUE(ReadFile(folder / name).starts_with("seq_len,model_time,num_layers,tp_size\n")) << name;
  }
  EXPECT_TRUE(ReadFile(folder / "mem_llavaov_siglip_6b.csv")
                  .starts_with("batch_size,model_mem,fwd_peak,model_state_peak,num_layers,tp_size\n"));
  EXPECT_TRUE(ReadFile(folder / "mem_llavaov_llama3_8b.csv")
                  .starts_with("batch_size,seq_len,model_mem,fwd_peak,model_state_peak,num_layers,tp_size\n"));
  EXPECT_NE(ReadFile(folder / "samples.json").find("image_batch"), std::string::npos);
}

TEST(ReleaseFiles, SayWhereTheyAreWrong) {
  TemporaryFolder folder;
  ReleasedJob job;
  const ReleaseNames names = ReleaseNamesOf(job.cost.model());
  const Json place(folder.path());
  const auto error = [&] {
    return ErrorOf([&] { ReadReleaseProfile(JsonReader(place, "e.json", "/profile"), names); });
  };
  EXPECT_NE(error().find("e.json:/profile: is"), std::string::npos) << error();
  WriteReleaseProfile(folder.path(), names, job.Measured());
  EXPECT_EQ(error(), "");
  const std::string times = folder.path() + "/thr_" + names.mllm + "_" + names.encoder + ".csv";
  const std::string whole = ReadFile(times);
  WriteFile(times, whole + "64,1.5,16,1\n");
  EXPECT_NE(error().find("measures again"), std::string::npos) << error();
  WriteFile(times, whole + "96,-1,16,1\n");
  EXPECT_NE(error().find(times + ":30: "), std::string::npos) << error();
  WriteFile(times, whole + "64,1,16,16\n");
  EXPECT_NE(error().find("wants two batch sizes"), std::string::npos) << error();
  WriteFile(times, whole);
  WriteFile(folder / "samples.json", R"({"image_batch": [1, 2], "llm_input_seq": [100, 0]})");
  EXPECT_NE(error().find("/llm_input_seq/1"), std::string::npos) << error();
  WriteFile(folder / "samples.json", R"({"image_batch": [1, 2], "llm_input_seq": [100]})");
  EXPECT_NE(error().find("1 samples where image_batch has 2"), std::string::npos) << error();
}

}  // namespace
}  // namespace dflop
