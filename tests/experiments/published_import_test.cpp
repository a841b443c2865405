// Rows of published runs into scenarios: what is taken as stated, what is left out and why.
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>

#include "base/csv.hpp"
#include "experiments/published_runs/import_runs.hpp"
#include "experiments/published_runs/published_cluster.hpp"
#include "experiments/published_runs/published_layout.hpp"
#include "experiments/published_runs/published_stack.hpp"
#include "experiments/published_runs/scenario_check.hpp"
#include "experiments/spec/experiment.hpp"
#include "test_paths.hpp"
#include "tests/input_error.hpp"
#include "tests/program_test.hpp"

namespace dflop {
namespace {

constexpr const char* kHeader =
    "source,model,layers,hidden,heads,kv_heads,ffn,vocab,seq_len,gpu,gpus,tp,pp,vp,dp,cp,ep,micro_batch,global_batch,"
    "precision,act_recompute,step_time_s,experts,topk,framework,notes\n";

/// A complete row: 16 GPUs as TP 2 × PP 2 × DP 4, 8 microbatches of 2.
PublishedRow SmallRow() {
  PublishedRow row;
  row.source = "Somebody";
  row.model = "small";
  row.gpu = "H100-SXM-80GB";
  row.precision = "bf16";
  row.recompute = "none";
  row.framework = "PyTorch FSDP";
  row.layers = 8;
  row.hidden = 1024;
  row.heads = row.kv_heads = 16;
  row.ffn = 4096;
  row.vocab = 32000;
  row.seq_len = 2048;
  row.gpus = 16;
  row.tp = row.pp = 2;
  row.micro_batch = 2;
  row.global_batch = 64;
  row.step_time_s = 1.5;
  return row;
}

const Json& At(const Json& json, std::initializer_list<const char*> path) {
  const Json* at = &json;
  for (const char* key : path) {
    if (at->is<Json::Array>()) at = &at->as<Json::Array>().front();
    at = at->find(key);
    if (at == nullptr) throw std::runtime_error(std::string("no member ") + key);
  }
  return *at;
}

const Json& Uniform(const ImportedRow& imported) { return At(imported.scenario, {"policies", "layout", "uniform"}); }

class PublishedImport : public ProgramTest {
 protected:
  std::string Table(const std::string& rows) {
    WriteFile(folder_ / "runs.csv", kHeader + rows);
    return folder_ / "runs.csv";
  }
  RunImport ImportTable(const std::string& rows) { return ImportRuns({Table(rows)}); }
};

TEST_F(PublishedImport, EveryStatedSettingStandsInTheScenario) {
  const ImportedRow imported = Import(SmallRow());
  ASSERT_EQ(imported.left_out, "") << imported.detail;
  const Json& scenario = imported.scenario;
  EXPECT_EQ(At(scenario, {"model", "llm", "hidden"}), Json(1024));
  EXPECT_EQ(At(scenario, {"model", "llm", "gated_ffn"}), Json(false));  // 4096 = 4 · 1024
  EXPECT_EQ(At(scenario, {"cluster", "nodes"}), Json(2));               // 16 GPUs, 8 a node
  EXPECT_EQ(At(scenario, {"samples", "text_tokens"}), Json(2048));
  EXPECT_EQ(At(scenario, {"software"}), Json("torchtitan"));
  EXPECT_EQ(At(Uniform(imported), {"dp"}), Json(4));  // 16 / (2 · 2)
  EXPECT_EQ(At(scenario, {"policies", "layout", "samples_per_microbatch"}), Json(2));
  EXPECT_EQ(imported.measured.dp, 4);
  EXPECT_EQ(imported.measured.gpu_memory_bytes, 80.0 * (1u << 30));
  EXPECT_EQ(imported.measured.assumed, "cp 1");
}

TEST_F(PublishedImport, QuotesCarriageReturnsAndAbsentColumnsAreRead) {
  // The header above lacks `nodes` and `config_complete`; the name holds a comma, the notes a doubled quote and a line
  // break, so that the second row begins in line 4.
  const std::string shape = ",8,1024,16,16,2816,32000,2048,H100-SXM-80GB,16,2,2,,4,1,,2,64,bf16,none,";
  std::string text = kHeader + ("\"Some, body\",\"a \"\"b\"\"\"" + shape + "1.5,,,PyTorch FSDP,\"two\nlines\"\n") +
                     "Other,c" + shape + "2.5,,,PyTorch FSDP,\n";
  std::string crlf;
  for (const char c : text) crlf += c == '\n' ? "\r\n" : std::string(1, c);
  WriteFile(folder_ / "runs.csv", crlf);
  const RunImport import = ImportRuns({folder_ / "runs.csv"});
  ASSERT_EQ(import.measured.size(), 2u);
  EXPECT_EQ(import.measured[0].source, "Some, body");
  EXPECT_EQ(import.measured[0].file, "some-body");
  EXPECT_TRUE(Says(import.measured[0].scenario, "a \"b\" 16xh100"));
  EXPECT_EQ(import.measured[1].line, 4u);
  WriteRuns(import, folder_ / "out");
  const std::vector<MeasuredRun> read = ReadMeasuredRuns(folder_ / "out/measured.csv");
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].scenario, import.measured[0].scenario);
  EXPECT_EQ(read[1].step_time_s, 2.5);
}

TEST_F(PublishedImport, ACellThatIsNoNumberNamesFileLineAndColumn) {
  const std::string begin = "S,m,8,1024,16,16,4096,32000,2048,H100-SXM-80GB,16,2,2,,4,1,,2,64,bf16,none,";
  ExpectError(ErrorOf([&] { ImportTable(begin + "fast,,,FSDP,\n"); }), "runs.csv:2: column \"step_time_s\"");
  ExpectError(ErrorOf([&] { ImportTable(begin + "-1,,,FSDP,\n"); }), "runs.csv:2: column \"step_time_s\"");
  ExpectError(ErrorOf([&] { ImportTable(begin + "1.5,2.5,,FSDP,\n"); }), "a whole number is wanted");
  ExpectError(ErrorOf([&] { ImportTable(begin + "1.5\n"); }), "fields, the header has");
  WriteFile(folder_ / "other.csv", "a,b\n1,2\n");
  ExpectError(ErrorOf([&] { ImportRuns({folder_ / "other.csv"}); }), "neither a column \"step_time_s\"");
  WriteFile(folder_ / "empty.csv", kHeader);
  ExpectError(ErrorOf([&] { ImportRuns({folder_ / "empty.csv"}); }), "has a header but no rows");
  const Outcome outcome = Shell(DFLOP_BINARY " published import other.csv --out out");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

TEST_F(PublishedImport, EqualRowsGetNamesOfTheirOwn) {
  const std::string row = "S,m,8,1024,16,16,4096,32000,2048,H100-SXM-80GB,16,2,2,,4,1,,2,64,bf16,none,1.5,,,FSDP,\n";
  const RunImport import = ImportTable(row + row + row);
  ASSERT_EQ(import.measured.size(), 3u);
  EXPECT_EQ(import.measured[1].scenario, import.measured[0].scenario + " #2");
  EXPECT_EQ(import.measured[2].scenario, import.measured[0].scenario + " #3");
  WriteRuns(import, folder_ / "out");
  EXPECT_EQ(ReadExperiment(folder_ / "out/s.json").points.size(), 3u);
}

/// The reason why the small row with one change is left out.
template <typename Change>
std::string ReasonWith(Change change) {
  PublishedRow row = SmallRow();
  change(row);
  return Import(row).left_out;
}

TEST_F(PublishedImport, WhatIsLeftOutHasAReason) {
  EXPECT_EQ(ReasonWith([](PublishedRow& row) { row.precision = "fp32"; }), "32-bit precision");
  EXPECT_EQ(ReasonWith([](PublishedRow& row) { row.precision = "posit"; }), "precision unknown");
  EXPECT_EQ(ReasonWith([](PublishedRow& row) { row.precision = "bfloat16"; }), "");
  EXPECT_EQ(ReasonWith([](PublishedRow& row) { row.global_batch = 0; }), "configuration incomplete");
  EXPECT_EQ(ReasonWith([](PublishedRow& row) { row.step_time_s = 0; }), "configuration incomplete");
  EXPECT_EQ(ReasonWith([](PublishedRow& row) { row.recompute = ""; }), "recompute not stated");
  EXPECT_EQ(ReasonWith([](PublishedRow& row) { row.gpu = "MI250"; }), "GPU unknown");
  EXPECT_EQ(ReasonWith([](PublishedRow& row) { row.gpu = "A100-PCIe-80GB"; }), "GPU unknown");
  EXPECT_EQ(ReasonWith([](PublishedRow& row) { row.gpu = "GH200"; }), "GPU unknown");
  EXPECT_EQ(ReasonWith([](PublishedRow& row) { row.gpus = 18; }), "the degrees do not divide the GPUs");
  EXPECT_EQ(ReasonWith([](PublishedRow& row) { row.dp = 3; }), "the degrees do not multiply to the GPUs");
  EXPECT_EQ(ReasonWith([](PublishedRow& row) { row.global_batch = 60; }),
            "the batch does not divide over replicas and microbatches");  // 60 / (4 · 2)
  EXPECT_EQ(ReasonWith([](PublishedRow& row) { row.model = "vit-b-16"; }), "no language model");
  // 16 tensor-parallel ranks cross nodes of 8: the program's own refusal. So is a head count that divides nothing.
  EXPECT_EQ(ReasonWith([](PublishedRow& row) { row.tp = 16, row.pp = 1; }), "refused by the program");
  EXPECT_EQ(ReasonWith([](PublishedRow& row) { row.heads = row.kv_heads = 15; }), "refused by the program");
  EXPECT_EQ(ReasonWith([](PublishedRow& row) { row.recompute = "some"; }), "refused by the program");
}

TEST_F(PublishedImport, EightBitRowsAreAClassOfTheirOwn) {
  ASSERT_TRUE(IsPrecisionWord("fp8"));
  EXPECT_FALSE(IsPrecisionWord("fp9"));
  PublishedRow row = SmallRow();
  row.precision = "fp8-cs?";
  EXPECT_EQ(Import(row).measured.file, "somebody-fp8");
  EXPECT_EQ(Import(row).measured.proxy, "");
  EXPECT_EQ(At(Import(row).scenario, {"precision"}), Json("fp8"));
  row.precision = "nvfp4/fp8 (see config)";
  EXPECT_EQ(Import(row).left_out, "refused by the program");  // H100 multiplies no 4-bit numbers
  row.gpu = "B200";
  EXPECT_EQ(At(Import(row).scenario, {"precision"}), Json("nvfp4"));
  EXPECT_NE(Import(row).measured.proxy, "");
  row.experts = 8;
  EXPECT_EQ(Import(row).measured.kind, "fp8-experts");
}

TEST_F(PublishedImport, ASilentRecipeOfMegatronCoreRecomputesNothing) {
  PublishedRow row = SmallRow();
  row.framework = "NeMo/Megatron-Core";
  row.recompute = "";
  const ImportedRow imported = Import(row);
  ASSERT_EQ(imported.left_out, "") << imported.detail;
  EXPECT_EQ(At(imported.scenario, {"recompute"}), Json("none"));
  EXPECT_EQ(imported.measured.assumed, "cp 1; recompute none");
  EXPECT_EQ(At(Uniform(imported), {"sequence_parallel"}), Json(true));  // with TP 2
}

TEST_F(PublishedImport, StacksAreKnownByTheirFrameworks) {
  const auto preset = [](const char* framework, const char* gpu = "H100-SXM-80GB", const char* precision = "bf16") {
    PublishedRow row = SmallRow();
    row.framework = framework;
    row.gpu = gpu;
    row.precision = precision;
    return PresetOf(row);
  };
  EXPECT_EQ(preset("Composer FSDP"), "llm-foundry-fsdp");
  EXPECT_EQ(preset("torchtitan FSDP2"), "torchtitan");
  EXPECT_EQ(preset("InternEvo ZeRO-1 (shard 8)"), "internevo");
  EXPECT_EQ(preset("Megatron-DeepSpeed ZeRO-1 1F1B"), "megatron-deepspeed");
  EXPECT_EQ(preset("NeMo Automodel (PyTorch FSDP2)"), "automodel");
  EXPECT_EQ(preset("Megatron-Bridge/Megatron-Core"), "nemo");
  EXPECT_EQ(preset("Megatron-LM", "A100-SXM-80GB", "fp16"), "megatron-2021");
  EXPECT_EQ(preset("Megatron-LM"), "megatron-core");
  EXPECT_EQ(preset("PyTorch FSDP"), "torchtitan");
  EXPECT_EQ(preset("DeepSpeed"), "deepspeed-zero3");
  EXPECT_EQ(preset("something else"), "");
}

TEST_F(PublishedImport, RowsOverrideTheirStack) {
  PublishedRow row = SmallRow();
  row.framework = "Composer FSDP";
  row.notes = "sharding SHARD_GRAD_OP";
  Json words = SoftwareOf(row, PresetOf(row), 16);
  EXPECT_EQ(At(words, {"gradient_bytes"}), Json(2));  // `bf16` is Composer's PURE, `amp_bf16` is not
  EXPECT_EQ(At(words, {"reshard_after_forward"}), Json(false));
  row.precision = "amp_bf16";
  EXPECT_EQ(SoftwareOf(row, PresetOf(row), 16).find("gradient_bytes"), nullptr);
  row.notes = "FSDP, torch.compile";
  row.framework = "torchtitan FSDP2";
  EXPECT_EQ(At(SoftwareOf(row, PresetOf(row), 16), {"launch"}), Json("compiled"));
  row.framework = "InternEvo ZeRO-1 (zero1=4)";
  EXPECT_EQ(At(SoftwareOf(row, PresetOf(row), 16), {"shard_group"}), Json(4));
  EXPECT_EQ(SoftwareOf(row, PresetOf(row), 4).find("shard_group"), nullptr);  // of four copies it is all
  row.framework = "InternEvo ZeRO-1 (zero1=-1)";
  EXPECT_EQ(SoftwareOf(row, PresetOf(row), 16).find("shard_group"), nullptr);
}

TEST_F(PublishedImport, StagesHoldLayersAsTheirPipelineDividesThem) {
  PublishedRow row = SmallRow();
  row.tp = 1;
  row.pp = 4;
  row.layers = 10;
  // A rounded-up share of 3 each leaves 1 for the last of four stages.
  EXPECT_EQ(LayoutOf(row, "megatron-deepspeed").degrees.layers_per_stage, (std::vector<int>{3, 3, 3, 1}));
  // With an embedding at either end (10 + 2) / 4 = 3 a stage.
  row.notes = "embeddings occupy their own pipeline slots";
  EXPECT_EQ(LayoutOf(row, "megatron-deepspeed").degrees.layers_per_stage, (std::vector<int>{2, 3, 3, 2}));
  // Two chunks a device: six layers and both ends over eight stages.
  row.layers = 6;
  row.vp = 2;
  EXPECT_EQ(LayoutOf(row, "megatron-core").degrees.layers_per_stage, (std::vector<int>{0, 1, 1, 1, 1, 1, 1, 0}));
  EXPECT_EQ(PipelineJson(LayoutOf(row, "megatron-core").degrees).Dump(), R"({"name":"interleaved","chunks":2})");
  row.layers = 8;
  EXPECT_TRUE(LayoutOf(row, "megatron-core").degrees.layers_per_stage.empty());
}

TEST_F(PublishedImport, ReplicasOfFsdpTablesMayCountContextRanks) {
  PublishedRow row = SmallRow();
  row.tp = row.pp = 1;
  row.cp = 4;
  row.dp = 16;  // 4 replicas of 4 context ranks
  const PublishedLayout layout = LayoutOf(row, "torchtitan");
  EXPECT_EQ(layout.refused, "");
  EXPECT_EQ(layout.degrees.dp, 4);
  EXPECT_EQ(layout.degrees.microbatches, 8);  // 64 / (4 · 2)
}

TEST_F(PublishedImport, GpusAreKnownByTheWordsOfTheirNames) {
  const auto shown = [](const char* gpu) {
    PublishedRow row = SmallRow();
    row.gpu = gpu;
    return ClusterOf(row).value_or(PublishedCluster{}).gpu;
  };
  EXPECT_EQ(shown("NVIDIA A100 40GB"), "a100-40gb");
  EXPECT_EQ(shown("A100-SXM-80GB"), "a100");
  EXPECT_EQ(shown("H100-HBM2e-96GB-500W"), "h100-500w");
  EXPECT_EQ(shown("GB200"), "gb200");
  EXPECT_EQ(shown("B200"), "b200");
  EXPECT_EQ(shown("H200-NVL"), "");
}

TEST_F(PublishedImport, NetworksAreReadFromNotes) {
  const auto of_node = [](const char* notes) { return NetworkIn(notes, 8).value_or(StatedNetwork{}); };
  EXPECT_EQ(of_node("Jean Zay 8xA100-80GB per node, 4x100 Gb/s Omni-Path").nics, 4);
  EXPECT_EQ(of_node("8x200Gb HDR IB").gbit_per_s, 200);
  EXPECT_EQ(of_node("compile; 400 Gb/s per node").nics, 4);   // of 100 Gb/s each
  EXPECT_EQ(of_node("1600 Gbps node-node").gbit_per_s, 200);  // over eight
  EXPECT_EQ(of_node("400 Gb/s per GPU").nics, 8);
  EXPECT_EQ(of_node("busbw 15-42 Gb/s measured, 80GB of memory").nics, 0);
}

TEST_F(PublishedImport, MixturesAndAdaptersHaveFilesOfTheirOwn) {
  PublishedRow row = SmallRow();
  row.experts = 8;
  row.top_k = 2;
  row.ep = 4;
  const ImportedRow unknown = Import(row);
  ASSERT_EQ(unknown.left_out, "") << unknown.detail;
  EXPECT_EQ(unknown.measured.file, "somebody-experts");
  EXPECT_TRUE(Says(unknown.measured.proxy, "experts"));  // their shape is nowhere stated
  row.model = "mixtral-8x7b";
  row.heads = 32, row.kv_heads = 8, row.hidden = 4096, row.ffn = 14336;
  const ImportedRow known = Import(row);
  ASSERT_EQ(known.left_out, "") << known.detail;
  EXPECT_EQ(known.measured.proxy, "");
  EXPECT_EQ(At(known.scenario, {"model", "llm", "experts", "ffn_hidden"}), Json(14336));
  row = SmallRow();
  row.notes = "LoRA rank 32; packed";
  const ImportedRow adapters = Import(row);
  EXPECT_EQ(adapters.measured.file, "somebody-lora");
  EXPECT_EQ(At(adapters.scenario, {"model", "llm", "lora", "rank"}), Json(32));
}

TEST_F(PublishedImport, VTrainsColumnsAreKnownByTheirHeader) {
  WriteFile(
      folder_ / "v.csv",
      "gpus,global_batch,micro_batch,hidden,heads,layers,seq,tp,dp,pp,measured_s\n4,8,2,1024,16,8,1024,2,1,2,0.25\n");
  const RunImport import = ImportRuns({folder_ / "v.csv"});
  ASSERT_EQ(import.measured.size(), 1u);
  const MeasuredRun& run = import.measured.front();
  EXPECT_EQ(run.file, "vtrain-one-node");
  EXPECT_EQ(run.stack, "vtrain");
  EXPECT_EQ(run.step_time_s, 0.25);
  EXPECT_NE(run.group, "");
}

TEST_F(PublishedImport, AllReferenceRowsAreImportedOrHaveAReason) {
  const std::string folder = DFLOP_SHARED_DIR "/reference-data/published-runs/";
  if (!std::filesystem::exists(folder + "published_runs.csv")) GTEST_SKIP() << "no reference data";
  const std::vector<std::string> tables = {folder + "published_runs.csv", folder + "vtrain_single_node.csv",
                                           folder + "vtrain_multi_node.csv"};
  const RunImport import = ImportRuns(tables);
  std::size_t rows = 0;
  for (const std::string& table : tables) rows += ReadCsv(table).rows.size();
  EXPECT_EQ(import.measured.size() + import.left_out.size(), rows);
  // The cleanest set, 16 bit, dense and complete, has 210 rows; 5 of them do not state their recomputation, and the
  // tables of vTrain hold 94 of which 5 divide tensors over two nodes.
  EXPECT_GE(import.measured.size(), 210u - 5 + 94 - 5);
  for (const LeftOutRow& row : import.left_out) EXPECT_NE(row.reason, "") << row.table << ":" << row.line;
  WriteRuns(import, folder_.path());
  std::size_t scenarios = 0;
  for (const auto& [name, unused] : import.files) scenarios += ReadExperiment(folder_ / (name + ".json")).points.size();
  EXPECT_EQ(scenarios, import.measured.size());
}

}  // namespace
}  // namespace dflop
