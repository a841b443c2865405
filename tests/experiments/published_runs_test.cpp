// Whole steps against measured ones: the weak-scaling runs of Megatron-LM (arXiv 2104.04473, Table 1).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/csv.hpp"
#include "test_paths.hpp"
#include "tests/models/model_test_support.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

struct PublishedRun {
  int heads, hidden, layers, tp, pp, dp, gpus, global_batch, micro_batch, chunks;
  double step_s;
};

std::vector<PublishedRun> ReadRuns(const std::string& path) {
  const CsvTable table = ReadCsv(path);
  std::vector<PublishedRun> runs;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    const auto whole = [&](const char* name) { return static_cast<int>(table.Number(row, table.Column(name))); };
    runs.push_back({whole("heads"), whole("hidden"), whole("layers"), whole("tp"), whole("pp"), whole("dp"),
                    whole("gpus"), whole("global_batch"), whole("micro_batch"), whole("virtual_stages"),
                    table.Number(row, table.Column("iteration_s"))});
  }
  return runs;
}

/// fp16, full recompute, unfused attention with dropout, sequences of 2,048 tokens; on DGX A100 nodes.
double PredictedStep(const PublishedRun& run) {
  constexpr int kSequence = 2048;
  ModelSpec model = GptModel(run.hidden, run.layers, run.heads, 51200);
  model.llm.tied_embeddings = true;
  SoftwareStack software;
  software.precision = Precision::kFp16;
  software.recompute = Recompute::kFull;
  software.attention = AttentionKind::kUnfused;
  software.dropout = 0.1;
  Json json;
  json["name"] = "dgx-a100";
  json["nodes"] = run.gpus / 8;
  const ClusterSpec cluster = ReadCluster(JsonReader(json, "cluster"));
  const CostModel cost(model, cluster, BuiltInKernelCosts(cluster.only_node().gpu), software);
  const int microbatches = run.global_batch / run.dp / run.micro_batch;
  const Layout layout = BuildLayout(
      HomogeneousDegrees{.tp = run.tp, .pp = run.pp, .dp = run.dp, .microbatches = microbatches, .chunks = run.chunks},
      model, cluster);
  const std::vector<SampleShape> batch(static_cast<std::size_t>(run.global_batch), {{}, kSequence, kSequence});
  RandomStream random(1, "unused");
  const BatchPlan plan = Plugin<BatchScheduler>("in-order")->Schedule(MakeBatchProblem(cost, layout, batch), random);
  const std::string schedule =
      run.chunks > 1 ? R"({"name": "interleaved", "chunks": )" + std::to_string(run.chunks) + "}" : "1f1b";
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>(schedule), layout);
  return SimulateStep({cost, layout, orders}, plan, batch, *MakeReplayEngine()).times.makespan.value();
}

TEST(PublishedRuns, MegatronsWeakScalingIsMetWithinTenPerCent) {
  // Nothing is fitted to these runs. A kernel model cannot honestly claim less than about 10 % for one run; the median
  // over ten, where errors of single shapes cancel, is held to 6 %. The deep interleaved pipelines are predicted 5 to 8
  // % too fast.
  const std::string path = DFLOP_SHARED_DIR "/reference-data/megatron-2021-table1.csv";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no reference data";
  std::vector<double> errors;
  for (const PublishedRun& run : ReadRuns(path)) {
    const double error = PredictedStep(run) / run.step_s - 1;
    EXPECT_LE(std::abs(error), 0.10) << run.gpus << " GPUs";
    errors.push_back(std::abs(error));
  }
  ASSERT_EQ(errors.size(), 10u);
  std::sort(errors.begin(), errors.end());
  EXPECT_LE((errors[4] + errors[5]) / 2, 0.06);
}

}  // namespace
}  // namespace dflop
