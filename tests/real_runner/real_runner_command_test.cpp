// The `real_runner` program as scripts see it: exit codes, messages, files.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.hpp"
#include "base/file.hpp"
#include "models/kernel_costs.hpp"
#include "real_runner/profile/budget.hpp"
#include "test_paths.hpp"
#include "tests/program_test.hpp"
#include "tests/real_runner/cpu_backend_support.hpp"

namespace dflop {
namespace {

class RealRunner : public ProgramTest {
 protected:
  Outcome Run(const std::string& arguments, const std::string& program = REAL_RUNNER_BINARY) {
    return Shell("'" + program + "' " + arguments);
  }

  void ExpectRefused(const std::string& arguments, const std::string& message) {
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.code, 2) << arguments;
    EXPECT_NE(outcome.err.find(message), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }

  std::size_t FilesInFolder() const {
    const std::filesystem::directory_iterator folder(folder_.path());
    return static_cast<std::size_t>(std::distance(begin(folder), end(folder)));
  }
};

TEST_F(RealRunner, TellsItsVersionAndShowsAnExample) {
  EXPECT_EQ(Run("--version").out.substr(0, 12), "real_runner ");
  for (const std::string arguments : {"--help", "profile --help"}) {
    const Outcome help = Run(arguments);
    EXPECT_EQ(help.code, 0);
    EXPECT_NE(help.out.find("Example: real_runner profile --backend cpu"), std::string::npos) << help.out;
  }
}

TEST_F(RealRunner, BadUsageExitsWithTwoAndWritesNothing) {
  ExpectRefused("profile --backend cpu --model tiny-vml --out a.json", "did you mean \"tiny-vlm\"?");
  ExpectRefused("profile --backend tpu --model tiny-vlm --out a.json", "--backend");
  ExpectRefused("profile --backend cpu --model tiny-vlm --out a.json --budget soon", "--budget: is \"soon\"");
  ExpectRefused("profile --backend cpu --model tiny-vlm --out a.json --budget 0", "from 1s to 1440m");
  ExpectRefused("profile --backend cpu --model tiny-vlm", "--out");
  ExpectRefused("", "");
  EXPECT_EQ(FilesInFolder(), 0u);
}

TEST_F(RealRunner, AnExistingFileIsKeptUnlessForced) {
  WriteFile(folder_ / "a.json", "precious");
  ExpectRefused("profile --backend cpu --model tiny-vlm --out a.json", "a.json exists already; --force replaces it");
  EXPECT_EQ(ReadFile(folder_ / "a.json"), "precious");
}

TEST_F(RealRunner, APlaceThatCannotBeWrittenIsRefusedBeforeAnythingRuns) {
  WriteFile(folder_ / "file", "");
  ExpectRefused("profile --backend cpu --model tiny-vlm --out file/a.json", "file/a.json");
  ExpectRefused("profile --backend cpu --model tiny-vlm --out /proc/nowhere/a.json", "/proc/nowhere/a.json");
  ExpectRefused("profile --backend cpu --model tiny-vlm --out .", "is a folder");
  EXPECT_EQ(FilesInFolder(), 1u);
}

TEST_F(RealRunner, ABrokenModelFileIsNamed) {
  WriteFile(folder_ / "m.json", R"({"schema": "dflop/model/1", "name": "m"})");
  ExpectRefused("profile --backend cpu --model m.json --out a.json", "m.json:");
  EXPECT_EQ(FilesInFolder(), 1u);
}

TEST_F(RealRunner, AMissingCudaPluginIsExplained) {
  // A copy of the program in a folder of its own has no plug-in beside it.
  std::filesystem::copy(REAL_RUNNER_BINARY, streams_ / "real_runner");
  const Outcome outcome = Run("profile --backend cuda --model tiny-vlm --out a.json", streams_ / "real_runner");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("libdflop_cuda.so; it is built where CMake finds a CUDA compiler"), std::string::npos)
      << outcome.err;
  EXPECT_EQ(FilesInFolder(), 0u);
}

TEST_F(RealRunner, WhatTheCudaPluginRefusesIsSaidAndNothingIsWritten) {
  std::filesystem::copy(REAL_RUNNER_BINARY, streams_ / "real_runner");
  const std::string plugin = streams_ / "libdflop_cuda.so";
  const auto expect_refused = [&](const std::string& message) {
    const Outcome outcome = Run("profile --backend cuda --model tiny-vlm --out a.json", streams_ / "real_runner");
    EXPECT_EQ(outcome.code, 2);
    EXPECT_NE(outcome.err.find("--backend cuda: " + message), std::string::npos) << outcome.err;
    EXPECT_EQ(FilesInFolder(), 0u);
  };
  WriteFile(plugin, "no library");
  expect_refused("cannot be opened: ");
  std::filesystem::copy_file(FAKE_CUDA_PLUGIN, plugin, std::filesystem::copy_options::overwrite_existing);
  for (const char* reason : {"the driver is too old: it is for CUDA 12.4, this program for CUDA 13.0",
                             "device 0 cannot be used: needs 67108864 more bytes of device memory than are free"}) {
    setenv("DFLOP_FAKE_CUDA", reason, 1);
    expect_refused(reason);
  }
  unsetenv("DFLOP_FAKE_CUDA");
}

TEST_F(RealRunner, PartsOfADeviceAreForCudaAlone) {
  for (const char* option : {"--ranks 2", "--neighbours-idle"}) {
    const Outcome outcome = Run("profile --backend cpu --model tiny-vlm --out a.json " + std::string(option));
    EXPECT_EQ(outcome.code, 2) << option;
    EXPECT_NE(outcome.err.find("--ranks, --neighbours-idle: parts are GPUs' only"), std::string::npos) << outcome.err;
    EXPECT_EQ(FilesInFolder(), 0u);
  }
}

TEST_F(RealRunner, ASignalLeavesAValidTraceOfWhatWasMeasured) {
  if (!CpuBackendOrNull()) GTEST_SKIP() << "built without OpenBLAS";
  // The profile would last 100 s; the signal comes when its first second is on disk. TERM is exit code 1 and says where
  // the rows are; KILL (137) cannot be heard, and an earlier state of the file is there.
  const std::string script = R"(signal=$1; out=$2
)" REAL_RUNNER_BINARY R"( profile --backend cpu --model tiny-vlm --out $out --budget 100s &
for i in $(seq 300); do [ -f $out ] && break; sleep 0.1; done
kill -$signal $!; wait $!)";
  WriteFile(streams_ / "signal.sh", script);
  const auto run = [&](const std::string& arguments) {
    return Run("'" + (streams_ / "signal.sh") + "' " + arguments, "sh");
  };
  const Outcome term = run("TERM term.json");
  EXPECT_EQ(term.code, 1);
  EXPECT_NE(term.err.find("stopped by a signal; term.json holds what was measured until then"), std::string::npos)
      << term.err;
  EXPECT_GE(ReadCostTrace(folder_ / "term.json").rows.size(), 1u);
  EXPECT_EQ(run("KILL kill.json").code, 137);
  EXPECT_GE(ReadCostTrace(folder_ / "kill.json").rows.size(), 1u);
}

TEST_F(RealRunner, ProfilesWithinItsBudgetAndReplacesWhenForced) {
  if (!CpuBackendOrNull()) GTEST_SKIP() << "built without OpenBLAS";
  WriteFile(folder_ / "a.json", "old");
  const Outcome outcome = Run("profile --backend cpu --model tiny-vlm --out a.json --budget 1s --force");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  // No progress bar in a pipe, and a second is no time for all of them.
  EXPECT_TRUE(outcome.err.starts_with("warning: only ")) << outcome.err;
  EXPECT_NE(outcome.out.find(" planned; "), std::string::npos) << outcome.out;
  const CostTrace trace = ReadCostTrace(folder_ / "a.json");
  EXPECT_GE(trace.rows.size(), 1u);
  EXPECT_EQ(trace.rows[0].op, "launch");
  EXPECT_EQ(trace.method.find("models")->Dump(), R"(["tiny-vlm"])");
  EXPECT_EQ(FilesInFolder(), 1u);
  // The simulator takes its costs from it.
  const Json name("cpu-core");
  const auto costs = TraceKernelCosts(folder_ / "a.json", ReadGpu(JsonReader(name, "gpu")));
  EXPECT_GT(costs->Gemm(512, 640, 384, Pass::kForward).time, Seconds(0));
}

TEST_F(RealRunner, SeveralModelsShareATraceAndABadOneIsNamed) {
  ExpectRefused("profile --backend cpu --model tiny-vlm --model tiny-vml --out a.json", "--model: \"tiny-vml\" is");
  ExpectRefused("profile --backend cpu --model tiny-vlm llama3-8b --out a.json", "llama3-8b");
  EXPECT_EQ(FilesInFolder(), 0u);
  if (!CpuBackendOrNull()) GTEST_SKIP() << "built without OpenBLAS";
  EXPECT_EQ(Run("profile --backend cpu --model tiny-vlm --model llama3-8b --out a.json --budget 1s").code, 0);
  EXPECT_EQ(ReadCostTrace(folder_ / "a.json").method.find("models")->Dump(), R"(["tiny-vlm","llama3-8b"])");
}

TEST(Budget, SecondsAndMinutes) {
  EXPECT_EQ(ReadBudget("300"), 300);
  EXPECT_EQ(ReadBudget("300s"), 300);
  EXPECT_EQ(ReadBudget("5m"), 300);
  EXPECT_EQ(ReadBudget("1.5m"), 90);
  for (const char* text : {"", "s", "5h", "-5", "0.5", "nan", "5 m", "1441m"})
    EXPECT_THROW(ReadBudget(text), InputError);
}

}  // namespace
}  // namespace dflop
