// Measured collectives: every layout that is read, and what is wrong in those that are not.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.hpp"
#include "base/file.hpp"
#include "test_paths.hpp"
#include "tests/temporary_folder.hpp"
#include "traces/network_trace.hpp"

namespace dflop {
namespace {

const char* const kLog = R"(# nThread 1 nGpus 1 minBytes 8 maxBytes 1024 step: 2(factor)
# Using devices
#  Rank  0 Group  0 Pid 1 on  node-a device  0 [0x01] NVIDIA H100
#  Rank  1 Group  0 Pid 2 on  node-a device  1 [0x02] NVIDIA H100
#  Rank  2 Group  0 Pid 3 on  node-b device  0 [0x01] NVIDIA H100
#  Rank  3 Group  0 Pid 4 on  node-b device  1 [0x02] NVIDIA H100
node-a:1:1 [0] NCCL INFO some chatter
#       size  count  type  redop  root  time  algbw  busbw #wrong  time  algbw  busbw #wrong
           0      0 float    sum    -1   0.1   0.00   0.00      0   0.1   0.00   0.00      0
        2048    512 float    sum    -1  20.5   0.10   0.15      0  19.0   0.11   0.16      0
        1024    256 float    sum    -1  10.5   0.10   0.15    N/A  11.0   0.09   0.14    N/A
)";

class NetworkImportTest : public testing::Test {
 protected:
  std::string File(const std::string& name, const std::string& text) {
    WriteFile(folder_.path() + "/" + name, text);
    return folder_.path() + "/" + name;
  }
  std::string ErrorOf(const std::string& name, const std::string& text, const NetworkImport& import = {}) {
    const std::string path = File(name, text);
    try {
      ReadMeasuredCollectives(path, import);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }
  TemporaryFolder folder_;
};

TEST_F(NetworkImportTest, ALogSaysRanksNodesAndTimes) {
  const NetworkTrace trace = ReadMeasuredCollectives(File("all_gather.log", kLog), {});
  ASSERT_EQ(trace.rows.size(), 2u);
  EXPECT_EQ(trace.rows[0].op, "all-gather");  // of the file's name
  EXPECT_EQ(trace.rows[0].ranks, 4);
  EXPECT_EQ(trace.rows[0].ranks_per_node, 2);
  EXPECT_EQ(trace.rows[0].bytes, 1024);
  EXPECT_DOUBLE_EQ(trace.rows[0].seconds, 10.5e-6);
  EXPECT_DOUBLE_EQ(trace.rows[1].seconds, 20.5e-6);
  EXPECT_EQ(ReadMeasuredCollectives(File("x.log", kLog), {.op = "broadcast"}).rows[0].op, "broadcast");
}

TEST_F(NetworkImportTest, OlderLogsHaveNoReductionAndMayHaveNoOutOfPlace) {
  const NetworkTrace trace = ReadMeasuredCollectives(
      File("alltoall.txt", "# nThread 1 nGpus 8 minBytes 1\n 4096 128 float N/A N/A N/A N/A 7.5 1 1 0\n"), {});
  ASSERT_EQ(trace.rows.size(), 1u);
  EXPECT_EQ(trace.rows[0].op, "all-to-all");
  EXPECT_EQ(trace.rows[0].ranks, 8);
  EXPECT_DOUBLE_EQ(trace.rows[0].seconds, 7.5e-6);
}

TEST_F(NetworkImportTest, ItsJsonSaysTheSame) {
  const NetworkTrace trace = ReadMeasuredCollectives(
      File("all_reduce.json", R"({"nccl_version": "2.29", "devices": [{"hostname": "a"}, {"hostname": "b"}],
        "results": [{"size": 1024, "type": "float", "out_of_place": {"time": 12.0, "nwrong": 0}}]})"),
      {});
  ASSERT_EQ(trace.rows.size(), 1u);
  EXPECT_EQ(trace.rows[0].ranks, 2);
  EXPECT_EQ(trace.rows[0].ranks_per_node, 1);
  EXPECT_DOUBLE_EQ(trace.rows[0].seconds, 12e-6);
  EXPECT_EQ(trace.software, "NCCL 2.29");
}

TEST_F(NetworkImportTest, OfRepeatsTheMedianCounts) {
  const std::string table =
      "system,nccl_version,op,dtype,num_gpus,size_bytes,latency_ms\n"
      "h100,2.1,all_reduce,half,8,1024,3\nh100,2.1,all_reduce,half,8,1024,1\nh100,2.1,all_reduce,half,8,1024,2\n"
      "b200,2.1,all_reduce,half,8,1024,9\n";
  EXPECT_NE(ErrorOf("t.csv", table).find("--system"), std::string::npos);
  EXPECT_NE(ErrorOf("t.csv", table, {.system = "a100"}).find("b200"), std::string::npos);
  const NetworkTrace trace = ReadMeasuredCollectives(File("t.csv", table), {.system = "h100"});
  ASSERT_EQ(trace.rows.size(), 1u);
  EXPECT_DOUBLE_EQ(trace.rows[0].seconds, 2e-3);
}

TEST_F(NetworkImportTest, WhatIsWrittenIsReadAgain) {
  const NetworkTrace trace = ReadMeasuredCollectives(File("all_gather.log", kLog), {});
  const std::string path = File("trace.json", ToJson(trace).Dump());
  EXPECT_EQ(ToJson(ReadMeasuredCollectives(path, {})).Dump(), ToJson(trace).Dump());
}

TEST_F(NetworkImportTest, EveryMistakeNamesItsPlace) {
  const std::string header = "# nThread 1 nGpus 8 minBytes 1\n";
  const std::string good = " 4096 128 float sum -1 7.5 1 1 0 7.5 1 1 0\n";
  EXPECT_EQ(ErrorOf("all_reduce.log", header + good), "");
  EXPECT_NE(ErrorOf("all_reduce.log", header + " 4096 128 float sum -1 7.5 1 1 0\n").find(":2: "), std::string::npos);
  EXPECT_NE(ErrorOf("all_reduce.log", header + " 4096 128 float sum -1 nan 1 1 0 7 1 1 0\n").find(":2: "),
            std::string::npos);
  EXPECT_NE(ErrorOf("all_reduce.log", header + " 4096 128 float sum -1 -7 1 1 0 7 1 1 0\n").find(":2: "),
            std::string::npos);
  EXPECT_NE(ErrorOf("all_reduce.log", header + " 4096 128 float sum -1 7 1 1 3 7 1 1 0\n").find("wrong values"),
            std::string::npos);
  EXPECT_NE(ErrorOf("all_reduce.log", good).find("fewer than two ranks"), std::string::npos);
  EXPECT_NE(ErrorOf("x.log", header + good).find("--op"), std::string::npos);
  EXPECT_NE(ErrorOf("x.log", header).find("no row"), std::string::npos);
  EXPECT_NE(ErrorOf("x.log", "").find("empty"), std::string::npos);
  EXPECT_NE(ErrorOf("x.csv", "a,b\n1,2\n").find("neither"), std::string::npos);
  EXPECT_NE(ErrorOf("x.json", "{\"schema\": \"dflop/network-trace/1\", \"source\": \"s\", \"rows\": []}").find("/rows"),
            std::string::npos);
}

TEST_F(NetworkImportTest, ReadsTheReferenceTables) {
  const std::string data = DFLOP_SHARED_DIR "/reference-data/";
  if (!std::filesystem::exists(data)) GTEST_SKIP() << "no reference data";
  const NetworkTrace nccl =
      ReadMeasuredCollectives(data + "aiconfigurator/nccl_intra_node.csv", {.system = "a100_sxm"});
  EXPECT_GT(nccl.rows.size(), 400u);
  const NetworkTrace vidur = ReadMeasuredCollectives(data + "vidur/network_collectives.csv", {.system = "h100_dgx"});
  EXPECT_GT(vidur.rows.size(), 1000u);
  const NetworkTrace logs =
      ReadMeasuredCollectives(data + "more/nccl_logs/all_reduce_dgxh100_aws.csv", {.system = "DGX H100"});
  EXPECT_EQ(logs.rows.front().ranks, 8);
  const std::string log = DFLOP_SHARED_DIR "/cases/23-nccl-kineto-chakra/all_reduce_8gpu.txt";
  if (!std::filesystem::exists(log)) return;
  const NetworkTrace text = ReadMeasuredCollectives(log, {});
  ASSERT_EQ(text.rows.size(), 3u);
  EXPECT_EQ(text.rows[0].ranks, 8);
  EXPECT_DOUBLE_EQ(text.rows[2].seconds, 3942.1e-6);
}

}  // namespace
}  // namespace dflop
