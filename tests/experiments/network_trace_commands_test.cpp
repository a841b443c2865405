// `dflop trace import --from nccl-tests` and `dflop trace inspect` of what it writes.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/json_reader.hpp"
#include "base/text.hpp"
#include "test_paths.hpp"
#include "tests/program_test.hpp"
#include "traces/network_trace.hpp"

namespace dflop {
namespace {

class NetworkTraceCommands : public ProgramTest {
 protected:
  Outcome Dflop(const std::string& arguments) { return Shell(DFLOP_BINARY " " + arguments); }
  void Log(const std::string& name, const std::string& row) {
    WriteFile(folder_ / name, "# nThread 1 nGpus 8 minBytes 1\n " + row + "\n");
  }
  bool Written() { return std::filesystem::exists(folder_ / "t.json"); }
};

TEST_F(NetworkTraceCommands, LogsOfAMachineBecomeATraceThatIsInspected) {
  Log("all_reduce.log", "8000000 2000000 float sum -1 100 80 140 0 99 80.8 141.4 0");
  Log("all_gather.log", "8000000 250000 float none -1 50 160 140 0 49 163 142 0");
  const Outcome import =
      Dflop("trace import --from nccl-tests all_reduce.log all_gather.log --ranks-per-node 4 --out t.json");
  ASSERT_EQ(import.code, 0) << import.err;
  EXPECT_TRUE(Says(import.out, "t.json: 2 measured collectives"));
  const Outcome inspect = Dflop("trace inspect t.json");
  EXPECT_EQ(inspect.code, 0) << inspect.err;
  EXPECT_TRUE(Says(inspect.out, "nccl-tests: all_reduce.log; nccl-tests: all_gather.log")) << inspect.out;
  EXPECT_TRUE(Says(inspect.out, "all-gather, float, 8 ranks, 4 a node: 1 rows")) << inspect.out;
  // 8 MB · 7/8 in 50 µs, and 8 MB · 2·7/8 in 100 µs: 140 GB/s both.
  EXPECT_TRUE(Says(inspect.out, "  bus       140 – 140 GB/s")) << inspect.out;
  EXPECT_TRUE(Says(inspect.out, "  time      100 – 100 µs")) << inspect.out;
  const Outcome against = Dflop("network dgx-h100 --against t.json --json");
  EXPECT_EQ(against.code, 0) << against.err;
  EXPECT_TRUE(Says(against.out, "\"measured_s\"")) << against.out;
}

TEST_F(NetworkTraceCommands, WhatIsWrongWritesNothing) {
  Log("all_reduce.log", "8000000 2000000 float sum -1 100 80 140 2 99 80.8 141.4 0");
  Outcome outcome = Dflop("trace import --from nccl-tests all_reduce.log --out t.json");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_TRUE(Says(outcome.err, "all_reduce.log:2: nccl-tests found 2 wrong values")) << outcome.err;
  EXPECT_FALSE(Written());
  Log("all_reduce.log", "8000000 2000000 float sum -1 100 80 140 0 99 80.8 141.4 0");
  outcome = Dflop("trace import --from nccl-tests all_reduce.log --device h100 --out t.json");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_TRUE(Says(outcome.err, "--device: is of kernels")) << outcome.err;
  outcome = Dflop("trace import --from vidur all_reduce.log --op all-reduce --out t.json");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_TRUE(Says(outcome.err, "--from nccl-tests")) << outcome.err;
  EXPECT_EQ(Dflop("trace import --from nccl-tests missing.log --out t.json").code, 2);
  EXPECT_EQ(Dflop("trace import --from nccl-tests all_reduce.log --op sort --out t.json").code, 2);
  EXPECT_FALSE(Written());
}

TEST_F(NetworkTraceCommands, AClustersNetworkIsOfOneType) {
  WriteFile(folder_ / "t.csv",
            "system,nccl_version,op,dtype,num_gpus,size_bytes,latency_ms\n"
            "h,2.1,all_reduce,half,8,1024,1\nh,2.1,all_reduce,int8,8,1024,2\n");
  const auto cluster = [&](const std::string& dtype) {
    WriteFile(folder_ / "c.json",
              R"({"schema": "dflop/cluster/1", "name": "dgx-h100", "network": {"file": "t.csv")" + dtype + "}}");
    return Dflop("network c.json --op all-reduce --ranks 8 --bytes 1024 --json");
  };
  EXPECT_EQ(cluster("").code, 2);
  EXPECT_TRUE(Says(cluster("").err, "/network/file: holds several, choose one with \"dtype\": half, int8"))
      << cluster("").err;
  const Outcome half = cluster(R"(, "dtype": "half")");
  ASSERT_EQ(half.code, 0) << half.err;
  const Json rows = ParseJson(half.out, "out");
  EXPECT_EQ(JsonReader(rows, "out").Element(0).At("time_s").Number(0, 1), 1e-3);
}

TEST_F(NetworkTraceCommands, WhatIsNoNumberIsNoOption) {
  for (const char* command : {"network dgx-h100 --ranks 8 --bytes nan", "check x.json --tolerance nan",
                              "schedule show 1f1b --forward nan", "trace compare a b --shortest-us nan"}) {
    const Outcome outcome = Dflop(command);
    EXPECT_EQ(outcome.code, 2) << command;
    EXPECT_TRUE(Says(outcome.err, "nan is no number")) << command << ": " << outcome.err;
  }
}

// Two errors are as far below the median as above it, and nine tenths of the way to the larger one lies 90 %.
TEST_F(NetworkTraceCommands, ErrorsOfTwoRowsHaveTheirMeanAsMedian) {
  Log("all_reduce.log",
      "8000000 2000000 float sum -1 100 80 140 0 99 80.8 141.4 0\n "
      "16000000 4000000 float sum -1 400 80 140 0 99 80.8 141.4 0");
  const Outcome shown = Dflop("network dgx-h100 --against all_reduce.log --json");
  ASSERT_EQ(shown.code, 0) << shown.err;
  const Json rows = ParseJson(shown.out, "out");
  std::vector<double> errors;
  for (const JsonReader& row : JsonReader(rows, "out").Elements()) {
    errors.push_back(std::abs(row.At("time_s").Number(0, 1) / row.At("measured_s").Number(0, 1) - 1));
  }
  ASSERT_EQ(errors.size(), 2u);
  const std::string median = Fixed(50 * (errors[0] + errors[1]), 1);
  const std::string text = Dflop("network dgx-h100 --against all_reduce.log").out;
  EXPECT_TRUE(Says(text, median)) << text;
}

TEST_F(NetworkTraceCommands, VidursOriginalTablesAreRead) {
  const std::string table = DFLOP_SHARED_DIR "/reference-data/more/vidur/network/h100_dgx/all_reduce.csv.gz";
  if (!std::filesystem::exists(table)) GTEST_SKIP() << "no reference data";
  ASSERT_EQ(Shell("(gzip -dc '" + table + "' > v.csv)").code, 0);
  ASSERT_EQ(Dflop("trace import --from nccl-tests v.csv --out t.json").code, 0);
  const Json json = ReadJsonFile(folder_ / "t.json");
  const NetworkTrace trace = ReadNetworkTrace(JsonReader(json, "t.json"));
  EXPECT_EQ(trace.rows.size(), 3u * 993);  // on 2, 4 and 8 GPUs; one of 994 sizes stands there twice
  EXPECT_EQ(trace.rows.back().ranks, 8);
  for (const CollectiveRow& row : trace.rows) {
    if (row.ranks != 4 || row.bytes != 67108864) continue;
    EXPECT_DOUBLE_EQ(row.seconds, 0.318e-3);
  }
  const Outcome packed = Dflop("trace import --from nccl-tests '" + table + "' --out t2.json");
  EXPECT_EQ(packed.code, 2);
  EXPECT_TRUE(Says(packed.err, "compressed by gzip")) << packed.err;
}

}  // namespace
}  // namespace dflop
