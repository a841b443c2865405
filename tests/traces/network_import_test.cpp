// Logs of nccl-tests in the layouts of its versions, its JSON, and what is wrong in those that are refused.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.hpp"
#include "test_paths.hpp"
#include "tests/input_error.hpp"
#include "tests/temporary_folder.hpp"
#include "traces/network_trace.hpp"

namespace dflop {
namespace {

const char* const kRanks = R"(# Using devices
#  Rank  0 Group  0 Pid 1 on  node-a device  0 [0x01] NVIDIA H100
#  Rank  1 Group  0 Pid 2 on  node-a device  1 [0x02] NVIDIA H100
#  Rank  2 Group  0 Pid 3 on  node-b device  0 [0x01] NVIDIA H100
#  Rank  3 Group  0 Pid 4 on  node-b device  1 [0x02] NVIDIA H100
)";
const char* const kLog = R"(node-a:1:1 [0] NCCL INFO some chatter
NCCL version 2.19.3+cuda12.2
2026-01-01 12:00:00 a clock
#                                                              out-of-place                       in-place
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
           0             0     float     sum      -1     0.12    0.00    0.00      0     0.11    0.00    0.00      0
        2048           512     float     sum      -1    20.50    0.10    0.15      0    19.00    0.11    0.16      0
        1024           256     float     sum      -1    10.50    0.10    0.15    N/A    11.00    0.09    0.14    N/A
# Out of bounds values : 0 OK
# Avg bus bandwidth    : 0.15
)";

/// Two tests one after the other, as 2.17 and later print them: the second of more processes than the first.
const char* const kTwoTests = R"(# nccl-tests version 2.17.6 nccl-headers=22703 nccl-library=22703
# Collective test starting: all_gather_perf
# nThread 1 nGpus 2 minBytes 1024 maxBytes 1024 step: 2(factor) warmup iters: 1 iters: 20 agg iters: 1 validation: 1
#
# Using devices
#  Rank  0 Group  0 Pid      1 on          a device  0 [0000:0f:00] NVIDIA H100
#  Rank  1 Group  0 Pid      1 on          a device  1 [0000:2d:00] NVIDIA H100
#
#       size         count      type   redop    root     time   algbw   busbw  #wrong     time   algbw   busbw  #wrong           timestamp
        1024           128     float    none      -1     8.50    0.12    0.06       0     8.00    0.13    0.06       0  2026-07-09 10:00:00
# Collective test concluded: all_gather_perf
# Collective test starting: sendrecv_perf
# nThread 1 nGpus 2 minBytes 1024 maxBytes 1024 step: 2(factor) warmup iters: 1 iters: 20 agg iters: 1 validation: 1
# Using devices
#  Rank  0 Group  0 Pid      1 on          a device  0 [0000:0f:00] NVIDIA H100
#  Rank  1 Group  0 Pid      1 on          a device  1 [0000:2d:00] NVIDIA H100
#  Rank  2 Group  0 Pid      1 on          b device  0 [0000:0f:00] NVIDIA H100
#  Rank  3 Group  0 Pid      1 on          b device  1 [0000:2d:00] NVIDIA H100
#       size  count  type  redop  root  cputime  algbw  busbw  #wrong  i_min  i_max  i_p99  i_cv%  cputime  algbw  busbw  #wrong  i_min  i_max  i_p99  i_cv%
        1024    256 float    sum    -1     3.25   0.32   0.32       0   1.25   9.25   8.25   0.50     4.25   0.24   0.24     N/A   1.50   9.50   8.50   0.50
# Collective test concluded: sendrecv_perf
)";

const char* const kEight = "# nThread 1 nGpus 8 minBytes 1\n";

class NetworkImportTest : public testing::Test {
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

TEST_F(NetworkImportTest, ALogSaysRanksNodesAndTimes) {
  const NetworkTrace trace = Read("all_gather.log", std::string(kRanks) + kLog);
  EXPECT_EQ(trace.source, "nccl-tests: all_gather.log");  // not where it lay
  EXPECT_EQ(trace.software, "NCCL 2.19.3");
  ASSERT_EQ(trace.rows.size(), 2u);
  EXPECT_EQ(trace.rows[0].op, "all-gather");  // of the file's name
  EXPECT_EQ(trace.rows[0].ranks, 4);
  EXPECT_EQ(trace.rows[0].ranks_per_node, 2);
  EXPECT_EQ(trace.rows[0].bytes, 1024);
  EXPECT_EQ(trace.rows[0].dtype, "float");
  EXPECT_DOUBLE_EQ(trace.rows[0].seconds, 10.5e-6);
  EXPECT_EQ(trace.rows[1].bytes, 2048);
  EXPECT_DOUBLE_EQ(trace.rows[1].seconds, 20.5e-6);
}

TEST_F(NetworkImportTest, WhatALogDoesNotSayIsSaidBesideIt) {
  const std::string log = std::string(kRanks) + kLog;
  EXPECT_EQ(Read("x.log", log, {.op = "broadcast"}).rows[0].op, "broadcast");
  EXPECT_EQ(Read("x.log", "+ mpirun -x A,B -np 4 ./build/alltoall_perf -b 8\n" + log).rows[0].op, "all-to-all");
  EXPECT_EQ(Read("all_reduce.log", log, {.ranks_per_node = 1}).rows[0].ranks_per_node, 1);
  EXPECT_EQ(Read("all_reduce.log", log, {.ranks_per_node = 8}).rows[0].ranks_per_node, 4);  // of four in all
}

TEST_F(NetworkImportTest, NodesMayBeFilledUnevenly) {
  // Three hosts with 2, 2 and 1: two a node, the last node with what is left.
  const std::string log = std::string(kRanks) + "#  Rank  4 Group  0 Pid 5 on  node-c device  0 [0x01] H100\n" + kLog;
  const NetworkTrace trace = Read("all_reduce.log", log);
  EXPECT_EQ(trace.rows[0].ranks, 5);
  EXPECT_EQ(trace.rows[0].ranks_per_node, 2);
}

TEST_F(NetworkImportTest, EveryTestOfALogHasItsOwnCollectiveAndRanks) {
  const NetworkTrace trace = Read("all_reduce.log", kTwoTests);  // the name of the file gives way
  EXPECT_EQ(trace.software, "NCCL 2.27.3");
  ASSERT_EQ(trace.rows.size(), 2u);
  EXPECT_EQ(trace.rows[0].op, "all-gather");
  EXPECT_EQ(trace.rows[0].ranks, 2);
  EXPECT_EQ(trace.rows[0].ranks_per_node, 2);
  EXPECT_DOUBLE_EQ(trace.rows[0].seconds, 8.5e-6);
  EXPECT_EQ(trace.rows[1].op, "send");
  EXPECT_EQ(trace.rows[1].ranks, 4);
  EXPECT_EQ(trace.rows[1].ranks_per_node, 2);
  EXPECT_DOUBLE_EQ(trace.rows[1].seconds, 3.25e-6);
  EXPECT_EQ(Read("x.log", kTwoTests, {.op = "send"}).rows.size(), 1u);
  ExpectError(Error("x.log", kTwoTests, {.op = "broadcast"}), "holds no row of broadcast, it has: all-gather, send");
}

TEST_F(NetworkImportTest, LaunchersMayTagTheLines) {
  std::string mpirun;
  std::string srun;
  for (std::size_t begin = 0; begin < std::string(kTwoTests).size();) {
    const std::string text = kTwoTests;
    const std::size_t end = text.find('\n', begin);
    mpirun += "[1,0]<stdout>:" + text.substr(begin, end + 1 - begin);
    srun += "0: " + text.substr(begin, end + 1 - begin);
    begin = end + 1;
  }
  for (const std::string& tagged : {mpirun, srun}) {
    NetworkTrace trace = Read("x.log", tagged);
    EXPECT_EQ(ToJson(trace).Dump(), ToJson(Read("x.log", kTwoTests)).Dump());
  }
}

TEST_F(NetworkImportTest, OlderLogsHaveNeitherReductionNorRoot) {
  const std::string columns = "#  size  count  type  time  algbw  busbw  error  time  algbw  busbw  error\n";
  // Before 2.12 the last column is the largest difference, which need not be nothing.
  const NetworkTrace gather =
      Read("all_gather.txt",
           kEight + columns + " 4096 128 float 6.5 1 1 5e-07 7.5 1 1 0e+00\n# Out of bounds values : 0 OK\n");
  ASSERT_EQ(gather.rows.size(), 1u);
  EXPECT_EQ(gather.rows[0].ranks, 8);
  EXPECT_EQ(gather.rows[0].ranks_per_node, 8);
  EXPECT_DOUBLE_EQ(gather.rows[0].seconds, 6.5e-6);
  const NetworkTrace root = Read("broadcast.txt", std::string(kEight) +
                                                      "#  size  count  type  root  time  algbw  busbw  error\n"
                                                      " 4096 1024 float 0 2.5 1 1 0e+00\n");
  EXPECT_EQ(root.rows[0].op, "broadcast");
  EXPECT_DOUBLE_EQ(root.rows[0].seconds, 2.5e-6);
}

TEST_F(NetworkImportTest, BeforeTwoTimesAreMilliseconds) {
  const std::string ranks =
      "# Using devices\n#   Rank  0 on  a device  0 [0x01] V100\n#   Rank  1 on  a device 1 [0x2] V100\n";
  const NetworkTrace trace =
      Read("all_reduce.txt", ranks +
                                 "#  bytes  N  type  op  time  algbw  busbw  res  time  algbw  busbw  res\n"
                                 "  1000000  250000  float  sum  0.125  8.00  8.00  1e-06  0.126  7.94  7.94  1e-06\n");
  EXPECT_EQ(trace.rows[0].ranks, 2);
  EXPECT_DOUBLE_EQ(trace.rows[0].seconds, 0.125e-3);
}

TEST_F(NetworkImportTest, InPlaceTimesServeWhereThereAreNoOthers) {
  const std::string columns = "# size count type redop root time algbw busbw #wrong time algbw busbw #wrong\n";
  const std::string preamble = "        4096           128     float    none      -1";
  for (const std::string& times : {std::string("   N/A   N/A   N/A   N/A"), std::string(32, ' ')}) {
    std::string row = preamble;
    row.append(times).append("  7.5  1  1  0\n");
    std::string text(kEight);
    text.append(columns).append(row);
    const NetworkTrace trace = Read("alltoall.txt", text);
    ASSERT_EQ(trace.rows.size(), 1u);
    EXPECT_EQ(trace.rows[0].op, "all-to-all");
    EXPECT_DOUBLE_EQ(trace.rows[0].seconds, 7.5e-6);
  }
  // Comments may have been cut away.
  EXPECT_DOUBLE_EQ(
      Read("alltoall.txt", std::string(kEight) + " 4096 128 float N/A N/A N/A N/A 7.5 1 1 0\n").rows[0].seconds,
      7.5e-6);
}

/// As 2.19 writes it: devices inside of config, one of each process.
std::string NcclJson(const std::string& results, const std::string& rest = "") {
  return R"({"version": 1, "args": ["./build/reduce_scatter_perf", "-b", "8"], "env": [], "nccl_version": 22703,
    "config": {"nthreads": 1, "ngpus": 4, "devices": [
      {"rank": 0, "group": 0, "pid": 1, "hostname": "a", "device": 0, "device_info": "H100"},
      {"rank": 4, "group": 0, "pid": 2, "hostname": "a", "device": 4, "device_info": "H100"},
      {"rank": 8, "group": 0, "pid": 3, "hostname": "b", "device": 0, "device_info": "H100"},
      {"rank": 12, "group": 0, "pid": 4, "hostname": "b", "device": 4, "device_info": "H100"}]},
    "results": [)" +
         results + "]" + rest + "}";
}

TEST_F(NetworkImportTest, ItsJsonSaysTheSame) {
  const NetworkTrace trace =
      Read("run.json", NcclJson(R"({"size": 0, "type": "half", "out_of_place": {"time": 0.1, "nwrong": 0}},
      {"size": 1024, "type": "half", "out_of_place": {"time": 12.0, "nwrong": 0.0}, "in_place": {"time": 9.0}},
      {"size": 2048, "type": "half", "out_of_place": null, "in_place": {"cpu_time": 13.5, "nwrong": null}})",
                                R"(, "out_of_bounds": {"count": 0, "okay": "true"})"));
  ASSERT_EQ(trace.rows.size(), 2u);
  EXPECT_EQ(trace.rows[0].op, "reduce-scatter");
  EXPECT_EQ(trace.rows[0].ranks, 16);  // four processes of four GPUs
  EXPECT_EQ(trace.rows[0].ranks_per_node, 8);
  EXPECT_DOUBLE_EQ(trace.rows[0].seconds, 12e-6);
  EXPECT_EQ(trace.rows[0].dtype, "half");
  EXPECT_DOUBLE_EQ(trace.rows[1].seconds, 13.5e-6);
  EXPECT_EQ(trace.software, "NCCL 2.27.3");
}

TEST_F(NetworkImportTest, MistakesInItsJsonAreShownByPointer) {
  const auto result = [](const std::string& timed) {
    return NcclJson("{\"size\": 8, \"out_of_place\": " + timed + "}");
  };
  ExpectError(Error("x.json", result(R"({"time": "nan"})")), "/results/0/out_of_place/time: ");
  ExpectError(Error("x.json", result(R"({"time": -1})")), "/results/0/out_of_place/time: ");
  ExpectError(Error("x.json", result(R"({"time": 1, "nwrong": 2})")), "/results/0/out_of_place/nwrong: ");
  ExpectError(Error("x.json", result("null")), "/results/0/out_of_place: ");
  ExpectError(Error("x.json", NcclJson("")), "/results: ");
  ExpectError(
      Error("x.json", NcclJson(R"({"size": 8, "out_of_place": {"time": 1}})", R"(, "out_of_bounds": {"count": 3})")),
      "/out_of_bounds/count: ");
  ExpectError(Error("x.json", R"({"devices": [{"hostname": "a"}], "results": []})"), "/devices: ");
  ExpectError(Error("x.json", R"({"results": []})"), "devices");
  ExpectError(Error("x.json", NcclJson("{").substr(0, 300)), "x.json");
  ExpectError(Error("x.json", R"({"args": ["scatter_perf"], "devices": [{}, {}], "results": []})"), "/args/0: ");
}

TEST_F(NetworkImportTest, MistakesInALogAreShownByLine) {
  const std::string columns = "# size count type redop root time algbw busbw #wrong time algbw busbw #wrong\n";
  const auto error = [&](const std::string& row) { return Error("all_reduce.log", kEight + columns + row + "\n"); };
  EXPECT_EQ(error(" 4096 128 float sum -1 7.5 1 1 0 7.5 1 1 0"), "");
  ExpectError(error(" 4096 128 float sum -1 7.5 1 1 0 7.5 1 1"), "3: ");  // cut off
  ExpectError(error(" 4096 128 float sum -1 7.5 1 1 0"), "has 9 columns, a row of this log has 13");
  ExpectError(error(" 4096"), "has 1 columns");
  ExpectError(error(" 4096 128 float sum -1 nan 1 1 0 7 1 1 0"), "the time is \"nan\"");
  ExpectError(error(" 4096 128 float sum -1 inf 1 1 0 7 1 1 0"), "the time is \"inf\"");
  ExpectError(error(" 4096 128 float sum -1 -7 1 1 0 7 1 1 0"), "the time is \"-7\"");
  ExpectError(error(" 4096 128 float sum -1 7us 1 1 0 7 1 1 0"), "the time is \"7us\"");
  ExpectError(error(" -4096 128 float sum -1 7 1 1 0 7 1 1 0"), "the size is \"-4096\"");
  ExpectError(error(" nan 128 float sum -1 7 1 1 0 7 1 1 0"), "the size is \"nan\"");
  ExpectError(error(" 4096.5 128 float sum -1 7 1 1 0 7 1 1 0"), "whole bytes");
  ExpectError(error(" 4096 128 float sum -1 7 1 1 3 7 1 1 0"), "3: ");
  ExpectError(error(" 4096 128 float sum -1 7 1 1 3 7 1 1 0"), "found 3 wrong values");
  ExpectError(error(" 4096 128 float sum -1 7 1 1 1e+06 7 1 1 0"), "found 1e+06 wrong values");
  ExpectError(error(" 4096 128 float sum -1 7 1 1 0 7 1 1 0\n# Out of bounds values : 3 FAILED"), "4: ");
}

TEST_F(NetworkImportTest, ALogWithoutRanksOrCollectiveIsRefused) {
  const std::string row = " 4096 128 float sum -1 7.5 1 1 0 7.5 1 1 0\n";
  ExpectError(Error("all_reduce.log", row), "fewer than two ranks");
  ExpectError(Error("x.log", kEight + row), "--op");
  ExpectError(Error("x.log", kEight), "holds no row of nccl-tests");
  ExpectError(Error("x.log", ""), "is empty");
  ExpectError(Error("x.log", "# Collective test starting: scatter_perf\n" + (kEight + row)),
              "no collective that is known");
  // Rank lines of two processes of eight GPUs, of which most are missing.
  ExpectError(Error("all_reduce.log", std::string(kEight) + kRanks + row), "names 4 ranks, processes have 8");
  ExpectError(Error("all_reduce.log", "#  Rank  0 Group  0 on a\n#  Rank  1 Group  1 on a\n" + row), "2 groups");
  ExpectError(Error("all_reduce.log", kEight + row, {.system = "h100"}), "--system");
  ExpectError(Error("all_reduce.log", kEight + row, {.dtype = "half"}), "holds no row of half, it has: float");
}

TEST_F(NetworkImportTest, TheGivenLogIsRead) {
  const std::string log = DFLOP_SHARED_DIR "/cases/23-nccl-kineto-chakra/all_reduce_8gpu.txt";
  if (!std::filesystem::exists(log)) GTEST_SKIP() << "no such case here";
  const NetworkTrace trace = ReadMeasuredCollectives(log, {});
  ASSERT_EQ(trace.rows.size(), 3u);
  EXPECT_EQ(trace.rows[0].ranks, 8);  // of one rank line: the others were cut away
  EXPECT_EQ(trace.rows[0].ranks_per_node, 8);
  EXPECT_EQ(trace.rows[1].bytes, 67108864);
  EXPECT_DOUBLE_EQ(trace.rows[2].seconds, 3942.1e-6);
  // Its own column of bus bandwidths.
  EXPECT_NEAR(trace.rows[2].bytes * BusFactor("all-reduce", 8) / trace.rows[2].seconds / 1e9, 476.66, 0.01);
}

}  // namespace
}  // namespace dflop
