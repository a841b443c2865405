// Tables of collectives, and the format of our own.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.hpp"
#include "models/network/collective_law.hpp"
#include "test_paths.hpp"
#include "tests/input_error.hpp"
#include "tests/temporary_folder.hpp"
#include "traces/network_trace.hpp"

namespace dflop {
namespace {

class NetworkTables : public testing::Test {
 protected:
  NetworkTrace Read(const std::string& name, const std::string& text, const NetworkImport& import = {}) {
    const std::string path = folder_ / name;
    WriteFile(path, text);
    return ReadMeasuredCollectives(path, import);
  }
  std::string Error(const std::string& name, const std::string& text, const NetworkImport& import = {}) {
    return ErrorOf([&] { Read(name, text, import); });
  }
  TemporaryFolder folder_;
};

const char* const kAiconfigurator =
    "system,nccl_version,op,dtype,num_gpus,size_bytes,latency_ms\n"
    "h100,2.1,all_reduce,half,8,1024,3\nh100,2.1,all_reduce,half,8,1024,1\nh100,2.1,all_reduce,half,8,1024,2\n"
    "h100,2.1,all_reduce,int8,8,1024,7\nh100,2.1,all_reduce,int8,8,1024,9\nh100,2.1,all_reduce,half,1,1024,2\n"
    "h100,2.2,alltoall,half,4,2048,4\n"
    "b200,2.3,all_reduce,half,8,1024,9\n";

TEST_F(NetworkTables, OfRepeatsTheMedianCounts) {
  const NetworkTrace trace = Read("t.csv", kAiconfigurator, {.system = "h100", .version = "2.1"});
  EXPECT_EQ(trace.source, "t.csv, h100");
  EXPECT_EQ(trace.software, "NCCL 2.1");
  ASSERT_EQ(trace.rows.size(), 2u);  // one GPU alone is no collective
  EXPECT_EQ(trace.rows[0].dtype, "half");
  EXPECT_DOUBLE_EQ(trace.rows[0].seconds, 2e-3);  // of 1, 2 and 3
  EXPECT_DOUBLE_EQ(trace.rows[1].seconds, 7e-3);  // the lower of 7 and 9
}

TEST_F(NetworkTables, OfSeveralSystemsAndVersionsOneIsChosen) {
  ExpectError(Error("t.csv", kAiconfigurator), "holds several, choose one with --system: b200, h100");
  ExpectError(Error("t.csv", kAiconfigurator, {.system = "a100"}), "it holds b200, h100");
  ExpectError(Error("t.csv", kAiconfigurator, {.system = "h100"}), "choose one with --nccl-version: 2.1, 2.2");
  EXPECT_EQ(Read("t.csv", kAiconfigurator, {.system = "b200"}).software, "NCCL 2.3");  // its only one
  const NetworkTrace other = Read("t.csv", kAiconfigurator, {.system = "h100", .version = "2.2"});
  ASSERT_EQ(other.rows.size(), 1u);
  EXPECT_EQ(other.rows[0].op, "all-to-all");
  EXPECT_EQ(other.rows[0].ranks_per_node, 4);
  EXPECT_EQ(Read("t.csv", kAiconfigurator, {.system = "h100", .version = "2.1", .dtype = "int8"}).rows.size(), 1u);
}

TEST_F(NetworkTables, VidursSayRanksOfANode) {
  const NetworkTrace own =
      Read("all_reduce.csv",
           ",time_stats.all_reduce.min,time_stats.all_reduce.median,rank,num_workers,size,collective,devices_per_node\n"
           "0,0.3,0.5,0,16,4096,all_reduce,8\n");
  ASSERT_EQ(own.rows.size(), 1u);
  EXPECT_EQ(own.rows[0].op, "all-reduce");
  EXPECT_EQ(own.rows[0].ranks, 16);
  EXPECT_EQ(own.rows[0].ranks_per_node, 8);
  EXPECT_EQ(own.rows[0].bytes, 4096);
  EXPECT_DOUBLE_EQ(own.rows[0].seconds, 0.5e-3);
  const NetworkTrace condensed = Read("t.csv",
                                      "network,op,num_gpus,gpus_per_node_used,size_bytes,min_ms,median_ms,mean_ms\n"
                                      "h100_dgx,send_recv,2,1,2048,0.1,0.25,0.3\n");
  EXPECT_EQ(condensed.source, "t.csv, h100_dgx");
  EXPECT_EQ(condensed.rows[0].op, "send");
  EXPECT_EQ(condensed.rows[0].ranks_per_node, 1);
  EXPECT_DOUBLE_EQ(condensed.rows[0].seconds, 0.25e-3);
}

TEST_F(NetworkTables, VtrainsCollectiveIsThatOfItsName) {
  const std::string table = "num_gpus,size_bytes,out_of_place_ms,in_place_ms\n8,1048576,0.5,0.4\n";
  const NetworkTrace trace = Read("a100_allreduce_intra_node.csv", table);
  EXPECT_EQ(trace.rows[0].op, "all-reduce");
  EXPECT_EQ(trace.rows[0].ranks_per_node, 8);
  EXPECT_DOUBLE_EQ(trace.rows[0].seconds, 0.5e-3);
  EXPECT_EQ(Read("x.csv", table, {.op = "all-gather", .ranks_per_node = 4}).rows[0].ranks_per_node, 4);
  ExpectError(Error("x.csv", table), "--op");
}

TEST_F(NetworkTables, LogsPutInATableSayNodes) {
  const std::string columns = "source,system,nodes,gpus,op,dtype,size_bytes,out_of_place_us\n";
  const NetworkTrace trace = Read("t.csv", columns + "README,p5,2,16,all_reduce,float,1024,50\n");
  EXPECT_EQ(trace.rows[0].ranks, 16);
  EXPECT_EQ(trace.rows[0].ranks_per_node, 8);
  EXPECT_DOUBLE_EQ(trace.rows[0].seconds, 50e-6);
  ExpectError(Error("t.csv", columns + "README,p5,3,16,all_reduce,float,1024,50\n"), "16 ranks do not divide among 3");
}

TEST_F(NetworkTables, BusRatesBecomeTimes) {
  const std::string table = "size_bytes,busbw_1node_8gpu_GBps,busbw_4node_32gpu_GBps\n1000000,7,3.1\n";
  const NetworkTrace trace = Read("b200_allreduce.csv", table);
  ASSERT_EQ(trace.rows.size(), 2u);
  // 10^6 bytes · 2·7/8 at 7·10^9/s, and 10^6 · 2·31/32 at 3.1·10^9/s.
  EXPECT_NEAR(trace.rows[0].seconds, 250e-6, 1e-15);
  EXPECT_NEAR(trace.rows[1].seconds, 625e-6, 1e-15);
  EXPECT_EQ(trace.rows[1].ranks, 32);
  EXPECT_EQ(trace.rows[1].ranks_per_node, 8);
  // A gather's bytes travel once.
  EXPECT_NEAR(Read("t.csv", table, {.op = "all-gather"}).rows[0].seconds, 125e-6, 1e-15);
}

TEST_F(NetworkTables, BusFactorsAreWhatTheLawsSend) {
  for (const char* op : {"all-reduce", "all-gather", "reduce-scatter", "all-to-all", "send", "broadcast"}) {
    const Json name = op;
    for (const int ranks : {2, 3, 8, 72}) {
      EXPECT_EQ(BusFactor(op, ranks), SentShare(ReadCollectiveOp(JsonReader(name, "")), ranks)) << op;
    }
  }
}

TEST_F(NetworkTables, MistakesAreShownByLine) {
  const auto error = [&](const std::string& row, const NetworkImport& import = {}) {
    return Error("t.csv", "network,op,num_gpus,gpus_per_node_used,size_bytes,median_ms\n" + row + "\n", import);
  };
  EXPECT_EQ(error("n,all_reduce,4,2,1024,1"), "");
  for (const char* row :
       {"n,all_reduce,4,2,1024,nan", "n,all_reduce,4,2,1024,-1", "n,all_reduce,4,2,1024,0", "n,all_reduce,4,2,1024,",
        "n,all_reduce,4.5,2,1024,1", "n,all_reduce,4,8,1024,1", "n,all_reduce,4,0,1024,1", "n,all_reduce,4,2,-8,1",
        "n,all_reduce,4,2,0.5,1", "n,all_reduce,4,2,1024", "n,sort,4,2,1024,1", "n,all_reduce,1e99,2,1024,1"}) {
    ExpectError(error(row), "2: ");
  }
  ExpectError(error("n,all_reduce,1,1,1024,1"), "no collective of two ranks or more");
  ExpectError(error(""), "no collective of two ranks or more");
  ExpectError(error("n,all_reduce,4,2,1024,1", {.ranks_per_node = 2}), "itself says how many ranks");
  ExpectError(error("n,all_reduce,4,2,1024,1", {.version = "2.1"}), "--nccl-version chooses nothing");
  ExpectError(error("n,all_reduce,4,2,1024,1", {.dtype = "half"}), "holds no row of half");
  ExpectError(Error("t.csv", "a,b\n1,2\n"), "neither");
  ExpectError(Error("all_reduce.csv", "size_bytes,busbw_1node_1gpu_GBps\n1,2\n"), "neither");
  ExpectError(Error("all_reduce.csv", "size_bytes,busbw_1node_8gpu_GBps\n1024,0\n"), "2: ");
  ExpectError(Error("t.csv", "\x1f\x8b\x08"), "gzip");
}

TEST_F(NetworkTables, WhatIsWrittenIsReadAgain) {
  const NetworkTrace trace = Read("t.csv", kAiconfigurator, {.system = "h100", .version = "2.1"});
  EXPECT_EQ(ToJson(Read("trace.json", ToJson(trace).Dump())).Dump(), ToJson(trace).Dump());
}

TEST_F(NetworkTables, SeveralFilesBecomeOneTrace) {
  const CollectiveRow a = {"all-reduce", 8, 8, 1024, 1e-3, "half"};
  const CollectiveRow b = {"all-gather", 8, 8, 1024, 5e-3, "half"};
  CollectiveRow later = a;
  later.seconds = 3e-3;
  const NetworkTrace joined =
      JoinNetworkTraces({{"one", "NCCL 2.1", {a}}, {"two", "NCCL 2.1", {b}}, {"one", "", {later}}});
  EXPECT_EQ(joined.source, "one; two");
  EXPECT_EQ(joined.software, "NCCL 2.1");
  ASSERT_EQ(joined.rows.size(), 2u);
  EXPECT_EQ(joined.rows[0].op, "all-gather");
  EXPECT_DOUBLE_EQ(joined.rows[1].seconds, 1e-3);  // the lower of 1 and 3
}

TEST_F(NetworkTables, OurOwnFormatIsStrict) {
  const std::string good = R"({"op": "send", "ranks": 2, "ranks_per_node": 1, "bytes": 8, "seconds": 1e-5})";
  const auto error = [&](const std::string& row, const NetworkImport& import = {}) {
    return Error("x.json", R"({"schema": "dflop/network-trace/1", "source": "s", "rows": [)" + row + "]}", import);
  };
  EXPECT_EQ(error(good), "");
  ExpectError(error(""), "/rows: ");
  for (const auto& [from, to, place] :
       {std::tuple("\"send\"", "\"sort\"", "/rows/0/op: "),
        std::tuple("\"ranks\": 2", "\"ranks\": 1", "/rows/0/ranks: "),
        std::tuple("_node\": 1", "_node\": 3", "/rows/0/ranks_per_node: "), std::tuple("8,", "0,", "/rows/0/bytes: "),
        std::tuple("1e-5", "-1", "/rows/0/seconds: "), std::tuple("1e-5", "\"nan\"", "/rows/0/seconds: "),
        std::tuple("\"bytes\"", "\"byte\"", "/rows/0/byte")}) {
    std::string bad = good;
    bad.replace(bad.find(from), std::string(from).size(), to);
    ExpectError(error(bad), place);
  }
  ExpectError(error(good, {.ranks_per_node = 2}), "itself says");
  ExpectError(error(good, {.system = "h100"}), "--system");
  ExpectError(Error("x.json", R"({"schema": "dflop/network-trace/2", "source": "s", "rows": []})"), "/schema: ");
}

TEST_F(NetworkTables, TheReferenceTablesAreRead) {
  const std::string data = DFLOP_SHARED_DIR "/reference-data/";
  if (!std::filesystem::exists(data)) GTEST_SKIP() << "no reference data";
  // Four operations on 2, 4 and 8 GPUs, two types, 21 sizes.
  const NetworkTrace nccl =
      ReadMeasuredCollectives(data + "aiconfigurator/nccl_intra_node.csv", {.system = "a100_sxm"});
  EXPECT_EQ(nccl.rows.size(), 504u);
  EXPECT_EQ(nccl.software, "NCCL 2.27.3");
  EXPECT_EQ(nccl.rows[0].op, "all-gather");
  EXPECT_DOUBLE_EQ(nccl.rows[0].seconds, 8.98e-6);
  const NetworkTrace repeats = ReadMeasuredCollectives(data + "more/aiconfigurator/nccl_intra_node_other_versions.csv",
                                                       {.system = "b200_sxm", .version = "2.27.3"});
  EXPECT_EQ(repeats.rows.size(), 504u);  // of three times as many
  // All-reduces on 2, 4 and 8 GPUs, sends within a node and between two; one of 994 sizes stands there twice.
  const NetworkTrace vidur = ReadMeasuredCollectives(data + "vidur/network_collectives.csv", {.system = "h100_dgx"});
  EXPECT_EQ(vidur.rows.size(), 5u * 993);
  const NetworkTrace logs =
      ReadMeasuredCollectives(data + "more/nccl_logs/all_reduce_dgxh100_aws.csv", {.system = "DGX H100"});
  EXPECT_EQ(logs.rows.size(), 32u);
  EXPECT_DOUBLE_EQ(logs.rows[0].seconds, 13.67e-6);
  const NetworkTrace vtrain = ReadMeasuredCollectives(data + "vtrain/a100_allreduce_intra_node.csv", {});
  EXPECT_EQ(vtrain.rows.size(), 1288u);
  EXPECT_EQ(vtrain.rows.back().ranks, 8);
  EXPECT_DOUBLE_EQ(vtrain.rows.back().seconds, 8.193e-3);
  const NetworkTrace bus = ReadMeasuredCollectives(data + "ml-engineering/b200_allreduce_1node_vs_4node_efa.csv", {});
  EXPECT_EQ(bus.rows.size(), 40u);
  // 16 GiB · 2·31/32 at 381.80 GB/s.
  EXPECT_NEAR(bus.rows.back().seconds, 17179869184.0 * 1.9375 / 381.8e9, 1e-12);
}

}  // namespace
}  // namespace dflop
