// PyTorch's files with messages: what is written by its rule, what is refused, and PyTorch itself where it is
// installed.
#include "policies/api/schedule_csv.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>

#include "base/file.hpp"
#include "policies/api/checked_plugins.hpp"
#include "policies/api/registry.hpp"
#include "test_paths.hpp"
#include "tests/input_error.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

constexpr CsvOptions kComms{CsvFormat::kComputeComms, false};
constexpr CsvOptions kFsdp{CsvFormat::kComputeComms, true};

struct Written {
  ScheduleProblem problem;
  std::vector<DeviceOrder> orders;
  std::string Csv(const CsvOptions& options = {}) const { return ScheduleCsv(orders, problem, options); }
};

Written OrdersToWrite(const std::string& name, int devices, int microbatches) {
  const Json json(name);
  const auto schedule = Registry<PipelineSchedule>::Instance().Make(JsonReader(json, ""));
  const ScheduleProblem shape = ShapeOf(*schedule, devices, microbatches);
  return {shape, schedule->Orders(shape)};
}

TEST(ScheduleCsvMessages, StandWhereTheLoweringPutsThem) {
  // Two ranks, two stages each, in turn. By rounds: rank 0 runs 0F0 and sends, rank 1 gets 1RECV_F0, runs 1F0 in the
  // same round and sends, rank 0 gets 2RECV_F0; and so on, as PyTorch's own zb1p_2rank_2stagep_comms.csv begins.
  const std::string row = OrdersToWrite("interleaved", 2, 4).Csv(kComms);
  EXPECT_TRUE(row.starts_with("0F0,0SEND_F0,2RECV_F0,0F1,0SEND_F1,2RECV_F1,2F0,2SEND_F0,")) << row;
  // One microbatch by hand. Round 1: 0F0 sent, rank 1 receives, 1F0, 1B0 comes only in round 2 with its message back.
  EXPECT_EQ(OrdersToWrite("1f1b", 2, 1).Csv(kComms),
            "0F0,0SEND_F0,0RECV_B0,0B0\n"
            "1RECV_F0,1F0,1B0,1SEND_B0\n");
  // A V turns on the last rank without a message.
  EXPECT_EQ(OrdersToWrite("zb-v", 1, 1).Csv(kComms), "0F0,1F0,1I0,1W0,0I0,0W0\n");
}

TEST(ScheduleCsvMessages, ParametersAreGatheredBeforeAndReducedBehind) {
  EXPECT_EQ(OrdersToWrite("1f1b", 2, 1).Csv(kFsdp),
            "0UNSHARD,0F0,0SEND_F0,0RECV_B0,0B0,0REDUCE_GRAD\n"
            "1UNSHARD,1RECV_F0,1F0,1B0,1SEND_B0,1REDUCE_GRAD\n");
  // Four stages on one rank, three gathered at once: before 1F0 the next three are 1, 2 and 3, so 0 makes room; 3 does
  // for 0 before 2B0, and behind it nobody needs 2, then 1.
  ScheduleProblem four{1, 1, 4, {0, 0, 0, 0}};
  std::vector<ScheduledOp> order;
  order.reserve(8);
  for (int stage = 0; stage < 4; ++stage) order.push_back({OpKind::kForward, 0, stage});
  for (int stage = 3; stage >= 0; --stage) order.push_back({OpKind::kBackward, 0, stage});
  EXPECT_EQ(ScheduleCsv({DeviceOrder(order)}, four, kFsdp),
            "0UNSHARD,1UNSHARD,2UNSHARD,0F0,0RESHARD,3UNSHARD,1F0,2F0,3F0,3B0,3REDUCE_GRAD,3RESHARD,0UNSHARD,2B0,"
            "2REDUCE_GRAD,2RESHARD,1B0,1REDUCE_GRAD,1RESHARD,0B0,0REDUCE_GRAD\n");
}

TEST(ScheduleCsvPairs, AreOneCellAsInPyTorchsFileAndComeBack) {
  // The last row of torch's dualpipev_4rank_10mb.csv.
  const Written written = OrdersToWrite("dualpipev", 4, 10);
  const std::string csv = written.Csv();
  EXPECT_TRUE(
      csv.ends_with("\n3F0,4F0,3F1,4F1,3F2,4F2,3F3,4F3,3F4,4B0,(4F4;3B0)OVERLAP_F_B,(3F5;4B1)OVERLAP_F_B,"
                    "(4F5;3B1)OVERLAP_F_B,(3F6;4B2)OVERLAP_F_B,(4F6;3B2)OVERLAP_F_B,(3F7;4B3)OVERLAP_F_B,"
                    "(4F7;3B3)OVERLAP_F_B,(3F8;4B4)OVERLAP_F_B,(4F8;3B4)OVERLAP_F_B,(3F9;4B5)OVERLAP_F_B,"
                    "(4F9;3B5)OVERLAP_F_B,4B6,3B6,4B7,3B7,4I8,3I8,4I9,3I9,4W8,3W8,4W9,3W9\n"))
      << csv;
  const ScheduleFile file = ReadScheduleCsv(csv, "pairs");
  EXPECT_EQ(file.orders, written.orders);
  EXPECT_EQ(file.placement, written.problem.placement);
}

TEST(ScheduleCsv, RowsThatWaitForEachOtherAreNoSchedule) {
  // Each row runs its own microbatches in a sound order; the second begins with what the first runs last.
  const std::string turned = "0F0,0B0,0F1,0B1\n1F1,1B1,1F0,1B0\n";
  ExpectError(ErrorOf([&] { ReadScheduleCsv(turned, "turned.csv"); }), "turned.csv: the rows cannot run");
  ExpectError(ErrorOf([&] { ReadScheduleCsv(turned, "turned.csv"); }), "deadlock");
  EXPECT_EQ(ReadScheduleCsv("0F0,0F1,0B0,0B1\n1F0,1B0,1F1,1B1\n", "sound.csv").microbatches, 2);
}

TEST(ScheduleCsvPairs, AreAForwardAndAWholeBackward) {
  const auto complaint = [](const std::string& cell) -> std::string {
    try {
      ReadScheduleCsv("0F0,0F1," + cell + ",0B1\n", "pairs");
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(complaint("(0F2;0B0)OVERLAP_F_B,0B2"), "");
  for (const char* cell : {"(0B0;0F2)OVERLAP_F_B", "(0F2;0I0)OVERLAP_F_B", "(0F2;0BW0)OVERLAP_F_B", "(0F2)OVERLAP_F_B",
                           "(0F2;0B0)", "(0F2;0B0)OVERLAP_F_BB", "(0F2;0B0;0B1)OVERLAP_F_B", "(;)OVERLAP_F_B",
                           "((0F2;0B0)OVERLAP_F_B;0B0)OVERLAP_F_B"}) {
    EXPECT_NE(complaint(cell).find("pairs: row 1, column 3: is "), std::string::npos) << cell << complaint(cell);
  }
}

TEST(ScheduleCsvMessages, ComeBackAsTheyWereWritten) {
  for (const std::string name : {"1f1b", "zb-h1", "zb-auto", "zb-v", "bfs", "interleaved"}) {
    const Written written = OrdersToWrite(name, 4, 8);
    for (const CsvOptions& options : {CsvOptions{}, kComms, kFsdp}) {
      const ScheduleFile file = ReadScheduleCsv(written.Csv(options), name);
      EXPECT_EQ(file.orders, written.orders) << name;
      EXPECT_EQ(file.placement, written.problem.placement) << name;
    }
  }
}

TEST(ScheduleCsvMessages, TheOldDialectHasThemToo) {
  const ScheduleFile old = ReadScheduleCsv("0F0,0SEND_F0,0RECV_B0,0BW0\n1RECV_F0,1F0,1BW0,1SEND_B0\n", "old");
  EXPECT_EQ(old.orders, OrdersToWrite("1f1b", 2, 1).orders);
}

TEST(ScheduleCsvMessages, BrokenRulesNameRowAndColumn) {
  const auto expect = [](const std::string& text, const std::string& part) {
    ExpectError(ErrorOf([&] { ReadScheduleCsv(text, "x.csv"); }), "x.csv: " + part);
  };
  expect("0F0,0F0,0B0\n", "row 1, column 2: the same action a second time");
  expect("0B0,0F0\n", "row 1, column 1: a backward before its forward 0F0");
  expect("0F0,0W0,0I0\n", "row 1, column 2: a weights' backward before the input's, 0I0");
  expect("0F0,0I0,0W0,0B0\n", "row 1, column 4: a whole backward beside a half of it");
  expect("0F0,0F1,0B0\n", "row 1, column 2: a forward that no backward follows");
  expect("0F0,0I0\n", "row 1, column 2: an input's backward that no weights' follows");
  expect("0F0,0B0,0F1,0B1\n1F0,1B0\n", "row 1, column 3: stage 1 never runs this microbatch");
  expect("0F1,0B1\n", "row 1, column 1: nobody runs microbatch 0");
  expect("0F0,0SEND_F0,0RECV_B0,0B0\n1F0,1B0,1SEND_B0\n", "row 1, column 1: never received: 1RECV_F0 is missing");
  expect("0F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n", "row 1, column 1: never sent: 0SEND_F0 is missing");
  expect("0SEND_F0,0F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n", "row 1, column 1: sent before it is there");
  expect("0F0,0SEND_F0,0RECV_B0,0B0\n1F0,1RECV_F0,1B0,1SEND_B0\n", "row 2, column 2: received after it is used");
  expect("0F0,0SEND_F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n",
         "row 1, column 3: the same message a second time");
  expect("0F0,0SEND_F3,0B0\n1F0,1B0\n", "row 1, column 2: a message of a microbatch that the stage never runs");
  expect("0F0,0SEND_B0,0B0\n1F0,1B0\n", "row 1, column 2: a message within a row, or beyond the pipeline's end");
  expect("0F0,1RECV_F0,0B0\n1F0,1B0\n", "row 1, column 2: a message of stage 1, which stands on row 2");
  expect("0F0,0SEND_F,0B0\n1F0,1B0\n", "row 1, column 2: is \"0SEND_F\"");
  expect("0UNSHARD1,0F0,0B0\n", "row 1, column 1: is \"0UNSHARD1\"");
}

/// What a command of the shell ends with.
int ExitOf(const std::string& command) {
  const int status = std::system(command.c_str());  // NOLINT(cert-env33-c): a test's own words
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(ScheduleCsvMessages, AreWhatPyTorchItselfMakesOfTheComputations) {
  constexpr int kNoPyTorch = 77, kNoPython = 127;
  const char* given = std::getenv("DFLOP_TORCH_PYTHON");
  const std::string python = given == nullptr ? "python3" : given;
  const TemporaryFolder folder;
  std::string command = python + " " DFLOP_SOURCE_DIR "/tests/policies/lower_schedule.py " + folder.path() + " 8";
  for (const std::string name : {"gpipe", "1f1b", "zb-h1", "zb-auto", "list", "zb-v", "v-half", "interleaved", "bfs"}) {
    const Written written = OrdersToWrite(name, 4, 8);
    WriteFile(folder / (name + ".compute.csv"), written.Csv());
    WriteFile(folder / (name + ".comms.csv"), written.Csv(kComms));
    WriteFile(folder / (name + ".fsdp.csv"), written.Csv(kFsdp));
    command += " " + name;
  }
  const int exit = ExitOf(command);
  if (exit == kNoPyTorch || exit == kNoPython) {
    GTEST_SKIP() << python << " has no torch.distributed.pipelining (DFLOP_TORCH_PYTHON names one that has)";
  }
  EXPECT_EQ(exit, 0);
}

}  // namespace
}  // namespace dflop
