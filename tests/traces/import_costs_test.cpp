// Importers of foreign kernel tables: every line becomes its rows, in SI units, and a crooked line is named.
#include "traces/import_costs.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/error.hpp"
#include "base/file.hpp"
#include "test_paths.hpp"

namespace dflop {
namespace {

namespace fs = std::filesystem;

const std::string kReference = DFLOP_SHARED_DIR "/reference-data/";

std::string Write(const std::string& name, const std::string& text) {
  const std::string path = testing::TempDir() + "import_costs/" + name;
  WriteFile(path, text);
  return path;
}

template <typename Import>
std::string Complaint(Import import) {
  try {
    import();
  } catch (const InputError& error) {
    return fs::path(error.file()).filename().string() + ":" + error.pointer();
  }
  return "";
}

std::ptrdiff_t Count(const CostTrace& trace, const std::string& op) {
  return std::count_if(trace.rows.begin(), trace.rows.end(), [&](const CostRow& row) { return row.op == op; });
}

std::size_t DataLines(const std::string& path) {
  const std::string text = ReadFile(path);
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) - 1;  // without the header
}

TEST(ImportAiconfigurator, TablesAreKnownByTheirColumnsAndTimesAreMilliseconds) {
  const std::string gemm = Write("gemm_bf16_h200_sxm.csv", "collector,m,n,k,latency_ms\nvllm,16,128,256,0.5\n");
  const std::string causal =
      Write("context_attention_bf16_h200_sxm_sglang.csv",
            "batch,seq_len,num_heads,num_kv_heads,head_dim,kernel,latency_ms\n1,64,8,2,128,fa,2\n");
  const std::string full = Write("encoder_attention_bf16_h200_sxm.csv",
                                 "batch,seq_len,num_heads,head_dim,kernel,latency_ms\n3,64,8,72,fa,2\n");
  const CostTrace trace = ImportAiconfigurator({gemm, causal, full});
  EXPECT_EQ(trace.device, "h200_sxm");
  ASSERT_EQ(trace.rows.size(), 3u);
  EXPECT_EQ(trace.rows[0].op, "gemm");
  EXPECT_DOUBLE_EQ(trace.rows[0].median.value(), 0.5e-3);
  EXPECT_EQ(trace.rows[0].dimension("k"), 256);
  EXPECT_EQ(trace.rows[1].op, "attention_causal");
  EXPECT_EQ(trace.rows[1].dimension("kv_heads"), 2);
  EXPECT_EQ(trace.rows[2].op, "attention_full");
  EXPECT_EQ(trace.rows[2].dimension("kv_heads"), 8);  // no grouped queries in an encoder
  // What was imported is a valid trace.
  const std::string out = testing::TempDir() + "import_costs/trace.json";
  WriteCostTrace(out, trace);
  EXPECT_EQ(ReadCostTrace(out).rows.size(), 3u);
}

TEST(ImportAiconfigurator, ACrookedLineIsNamedByFileAndNumber) {
  const std::string head = "collector,m,n,k,latency_ms\nvllm,16,128,256,0.5\n";
  const auto complaint = [&](const std::string& line) {
    const std::string path = Write("gemm_bf16_b200.csv", head + line);
    return Complaint([&] { ImportAiconfigurator({path}); });
  };
  EXPECT_EQ(complaint("vllm,16,128,256,0.4\n"), "");
  for (const char* line : {"vllm,16,128,256\n", "vllm,16,128,256,nan\n", "vllm,16,128,256,-1\n", "vllm,16,128,256,0\n",
                           "vllm,0,128,256,1\n", "vllm,16.5,128,256,1\n", "vllm,16,128,256,1 ms\n"}) {
    EXPECT_EQ(complaint(line), "gemm_bf16_b200.csv:3") << line;
  }
  const std::string other = Write("gemm_bf16_gb200.csv", head);
  const std::string first = Write("gemm_bf16_h200_sxm.csv", head);
  EXPECT_EQ(Complaint([&] { ImportAiconfigurator({first, other}); }), "gemm_bf16_gb200.csv:");
  // Known by no name: neither what a file is called nor an organisation is a GPU.
  for (const char* name : {"gemm_bf16_perf.csv", "gemm_bf16_meta-llama.csv"}) {
    const std::string unknown = Write(name, head + "vllm,16,128,256,0.4\n");
    EXPECT_NE(Complaint([&] { ImportAiconfigurator({unknown}); }), "") << name;
    EXPECT_EQ(ImportAiconfigurator({unknown}, "h100-sxm").device, "h100-sxm");
  }
  const std::string nameless = Write("table.csv", head);
  EXPECT_EQ(Complaint([&] { ImportAiconfigurator({nameless}); }), "table.csv:");
  const std::string empty = Write("gemm_bf16_z7.csv", "collector,m,n,k,latency_ms\n");
  EXPECT_EQ(Complaint([&] { ImportAiconfigurator({empty}); }), "gemm_bf16_z7.csv:");
  EXPECT_EQ(Complaint([] { ImportAiconfigurator({"absent_bf16_x.csv"}); }), "absent_bf16_x.csv:");
}

TEST(ImportAiconfigurator, EveryLineOfTheReferenceTablesBecomesARow) {
  const std::string folder = kReference + "aiconfigurator/";
  if (!fs::exists(folder)) GTEST_SKIP() << "no reference data";
  const std::string gemm = folder + "gemm_bf16_b200_sxm.csv";
  const std::string causal = folder + "context_attention_bf16_b200_sxm.csv";
  const std::string full = folder + "encoder_attention_bf16_b200_sxm.csv";
  const CostTrace trace = ImportAiconfigurator({gemm, causal, full});
  EXPECT_EQ(trace.device, "b200_sxm");
  EXPECT_EQ(Count(trace, "gemm"), 23541);  // counted in the tables' own README
  EXPECT_EQ(Count(trace, "attention_causal"), 10082);
  EXPECT_EQ(Count(trace, "attention_full"), 7679);
  EXPECT_EQ(trace.rows.size(), DataLines(gemm) + DataLines(causal) + DataLines(full));
}

constexpr char kVidurHead[] =
    "gpu,model,tp,num_tokens,hidden,ffn_hidden,heads,kv_heads,emb_ms,input_layernorm_ms,attn_pre_proj_ms,attn_rope_ms,"
    "attn_post_proj_ms,post_attention_layernorm_ms,mlp_up_proj_ms,mlp_act_ms,mlp_down_proj_ms,add_ms\n";

TEST(ImportVidur, ARankRunsItsShareOfEveryProjection) {
  // Llama-2-70B, 2 ranks, 10 tokens: head size 8192/64 = 128; a rank holds 32 query and 4 key/value heads, so QKV is
  // 32·128 + 2·4·128 = 5120 wide; the gated MLP has 28672/2 = 14336 per rank, twice for gate and up.
  const std::string path =
      Write("layers.csv", std::string(kVidurHead) + "a100,L70,2,10,8192,28672,64,8,1,2,3,4,5,6,7,8,9,10\n");
  const CostTrace trace = ImportVidur({path});
  EXPECT_EQ(trace.device, "a100");
  ASSERT_EQ(trace.rows.size(), 10u);
  const auto row = [&](const std::string& operation) {
    const auto found = std::find_if(trace.rows.begin(), trace.rows.end(),
                                    [&](const CostRow& r) { return r.kernel == "L70 tp2 " + operation; });
    EXPECT_NE(found, trace.rows.end()) << operation;
    return *found;
  };
  using Shape = std::vector<std::pair<std::string, double>>;
  EXPECT_EQ(row("attn_pre_proj").shape, (Shape{{"m", 10}, {"n", 5120}, {"k", 8192}}));
  EXPECT_EQ(row("attn_post_proj").shape, (Shape{{"m", 10}, {"n", 8192}, {"k", 4096}}));
  EXPECT_EQ(row("mlp_up_proj").shape, (Shape{{"m", 10}, {"n", 28672}, {"k", 8192}}));
  EXPECT_EQ(row("mlp_down_proj").shape, (Shape{{"m", 10}, {"n", 8192}, {"k", 14336}}));
  EXPECT_DOUBLE_EQ(row("mlp_down_proj").median.value(), 9e-3);
  EXPECT_EQ(row("add").shape, (Shape{{"bytes", 6.0 * 10 * 8192}}));                // two reads, one write, 2 bytes each
  EXPECT_EQ(row("mlp_act").shape, (Shape{{"bytes", 2.0 * 10 * 3 * 14336}}));       // both halves in, one out
  EXPECT_EQ(row("attn_rope").shape, (Shape{{"bytes", 4.0 * 10 * (4096 + 512)}}));  // query and key, in and out
  EXPECT_EQ(row("add").dtype, "fp16");
}

TEST(ImportVidur, ATableOfTwoDevicesNeedsAChoice) {
  const std::string lines = "a100,L,1,10,64,128,4,4,1,1,1,1,1,1,1,1,1,1\nh100,L,1,10,64,128,4,4,1,1,1,1,1,1,1,1,1,1\n";
  const std::string path = Write("two.csv", kVidurHead + lines);
  EXPECT_EQ(Complaint([&] { ImportVidur({path}); }), "two.csv:");
  EXPECT_EQ(ImportVidur({path}, "h100").rows.size(), 10u);
  EXPECT_EQ(Complaint([&] { ImportVidur({path}, "b200"); }), "two.csv:");
}

TEST(ImportVidur, TheOriginalLayoutTakesModelAndDeviceFromItsFolders) {
  std::string head;
  std::string line;
  for (const char* operation : {"emb", "input_layernorm", "attn_pre_proj", "attn_rope", "attn_post_proj",
                                "post_attention_layernorm", "mlp_up_proj", "mlp_act", "mlp_down_proj", "add"}) {
    for (const char* statistic : {"min", "max", "median"}) {
      head += std::string("time_stats.") + operation + "." + statistic + ",";
    }
    line += "1,4,2,";
  }
  head += "n_head,n_kv_head,n_embd,n_expanded_embd,vocab_size,use_gated_mlp,num_tokens,num_tensor_parallel_workers\n";
  const std::string path = Write("h100/some-model/mlp.csv", head + line + "32,32,4096,11008,32768,False,8,1\n");
  const CostTrace trace = ImportVidur({path});
  EXPECT_EQ(trace.device, "h100");
  EXPECT_EQ(trace.rows[0].kernel, "some-model tp1 attn_pre_proj");
  EXPECT_DOUBLE_EQ(trace.rows[0].median.value(), 2e-3);
  EXPECT_DOUBLE_EQ(trace.rows[0].spread.value(), 3e-3);
  EXPECT_EQ(trace.rows[2].dimension("n"), 11008);  // not gated: the up projection alone
  const std::string bad = Write("h100/other/mlp.csv", head + line + "32,32,4096,11008,32768,yes,8,1\n");
  EXPECT_EQ(Complaint([&] { ImportVidur({bad}); }), "mlp.csv:2");
}

// The layout of vidur's own repository: GPU, organisation, model. Phi-2 has one norm before attention and MLP.
TEST(ImportVidur, TheGpuIsTheKnownOneAmongTheFolders) {
  const std::string folder = DFLOP_SHARED_DIR "/cases/25-vidur-repository-layout/compute/a100/";
  if (!fs::exists(folder)) GTEST_SKIP() << "no cases";
  const std::string llama = folder + "meta-llama/Llama-2-7b-hf/mlp.csv";
  EXPECT_EQ(ImportVidur({llama}).device, "a100");
  EXPECT_EQ(ImportVidur({llama}, "a100-sxm-80gb").device, "a100-sxm-80gb");
  EXPECT_EQ(Complaint([&] { ImportVidur({llama}, "h100"); }), "mlp.csv:");
  const std::string phi = folder + "microsoft/phi-2/mlp.csv";
  const CostTrace trace = ImportVidur({phi});
  EXPECT_EQ(trace.device, "a100");
  EXPECT_EQ(trace.rows.size(), 9 * DataLines(phi));  // ten operators but for the second norm
  EXPECT_EQ(Count(trace, "norm"), static_cast<std::ptrdiff_t>(DataLines(phi)));
  const std::string other = Write("h100/meta-llama/L/mlp.csv", ReadFile(llama));
  EXPECT_EQ(Complaint([&] { ImportVidur({llama, other}); }), "mlp.csv:");
  EXPECT_EQ(ImportVidur({llama, other}, "h100").rows.size(), ImportVidur({other}).rows.size());
  const std::string nowhere = Write("meta-llama/L/mlp.csv", ReadFile(llama));
  EXPECT_EQ(Complaint([&] { ImportVidur({nowhere}); }), "mlp.csv:");
  EXPECT_EQ(ImportVidur({nowhere}, "a40").device, "a40");
}

TEST(ImportAiconfigurator, WhatNeitherNameNorFolderTellsIsSaidByTheUser) {
  const std::string text = "collector,m,n,k,latency_ms\nvllm,16,128,256,0.5\n";
  EXPECT_EQ(ImportAiconfigurator({Write("h200_sxm/vllm/gemm_perf.csv", text)}).device, "h200_sxm");
  const std::string nameless = Write("vllm/gemm_perf.csv", text);
  EXPECT_EQ(Complaint([&] { ImportAiconfigurator({nameless}); }), "gemm_perf.csv:");
  EXPECT_EQ(ImportAiconfigurator({nameless}, "h100-sxm").device, "h100-sxm");
  const std::string named = Write("gemm_bf16_h100_sxm.csv", text);
  EXPECT_EQ(Complaint([&] { ImportAiconfigurator({named}, "h200-sxm"); }), "gemm_bf16_h100_sxm.csv:");
}

TEST(ImportVidur, EveryLineOfTheReferenceTableBecomesTenRows) {
  const std::string path = kReference + "vidur/llm_layer_nonattention_forward.csv";
  if (!fs::exists(path)) GTEST_SKIP() << "no reference data";
  const CostTrace a100 = ImportVidur({path}, "a100");
  const CostTrace h100 = ImportVidur({path}, "h100");
  EXPECT_EQ(a100.rows.size() + h100.rows.size(), 10 * DataLines(path));
}

// Shapes follow from several columns, each of which is in its range here.
TEST(ImportVidur, AShapeThatNoTraceMayHoldIsRefused) {
  const auto complaint = [](const std::string& sizes) {
    const std::string path = Write("sizes.csv", std::string(kVidurHead) + "a100,L," + sizes + ",1,1,1,1,1,1,1,1,1,1\n");
    return Complaint([&] { ImportVidur({path}); });
  };
  EXPECT_EQ(complaint("2,10,64,128,4,4"), "");
  EXPECT_EQ(complaint("3,10,64,128,4,4"), "sizes.csv:2");               // 64 / 3 is no width
  EXPECT_EQ(complaint("128,10,64,128,4,4"), "sizes.csv:2");             // half a column for each rank
  EXPECT_EQ(complaint("1,10,1000000000,128,1,1"), "sizes.csv:2");       // n = 3 · 10^9 for query, key and value
  EXPECT_EQ(complaint("1,1000000000,1000000,128,4,4"), "sizes.csv:2");  // 4 · 10^15 bytes in a norm
}

}  // namespace
}  // namespace dflop
