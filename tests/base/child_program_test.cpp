// Programs of the shell: how they end, what they say, and what becomes of it.
#include "base/child_program.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

ChildProgram Shell(const std::string& script) { return {.path = "/bin/sh", .arguments = {"-c", script}}; }

TEST(ChildProgram, TellsHowItEnded) {
  EXPECT_EQ(RunProgram(Shell("exit 7")).code, 7);
  const ProgramOutcome killed = RunProgram(Shell("kill -KILL $$"));
  EXPECT_EQ(killed.signal, SIGKILL);
  EXPECT_EQ(RunProgram(Shell("echo what; echo why >&2")).errors, "why");
}

TEST(ChildProgram, WorksInItsFolderWithItsEnvironmentAndKeepsALog) {
  const TemporaryFolder folder;
  ChildProgram program = Shell("echo \"$DFLOP_TEST_WORD\" >here; echo said; echo cried >&2");
  program.folder = folder.path();
  program.environment = {{"DFLOP_TEST_WORD", "two words"}};
  program.log = folder / "log";
  EXPECT_EQ(RunProgram(program).code, 0);
  EXPECT_EQ(ReadFile(folder / "here"), "two words\n");
  const std::string log = ReadFile(folder / "log");
  EXPECT_EQ(log.substr(0, 7), "$ sh -c");
  EXPECT_TRUE(log.ends_with("said\ncried\n")) << log;
}

TEST(ChildProgram, BadInputAndBrokenWorkAreToldApart) {
  try {
    RunProgramOrFail(Shell("echo 'a.json:/x: is wrong' >&2; exit 2"));
    FAIL();
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "a.json:/x: is wrong");
  }
  try {
    RunProgramOrFail(Shell("echo broken >&2; exit 1"));
    FAIL();
  } catch (const RunError& error) {
    EXPECT_NE(std::string(error.what()).find("ended with exit code 1:\nbroken"), std::string::npos) << error.what();
  }
  EXPECT_THROW(RunProgramOrFail(Shell("kill -TERM $$")), RunError);
}

TEST(ChildProgram, OneThatIsNotThereIsSaid) {
  try {
    RunProgramOrFail({.path = "/nowhere/at/all", .arguments = {}});
    FAIL();
  } catch (const RunError& error) {
    EXPECT_NE(std::string(error.what()).find("No such file"), std::string::npos) << error.what();
  }
}

TEST(FindInPath, FindsWhatAShellWould) {
  EXPECT_TRUE(FindInPath("sh").ends_with("/sh"));
  EXPECT_EQ(FindInPath("no-program-has-this-name"), "");
}

}  // namespace
}  // namespace dflop
