// `dflop compare` as people start it, and tables on a terminal of a given width.
#include <fcntl.h>
#include <pty.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "tests/experiments/command_line.hpp"

namespace dflop {
namespace {

/// A terminal without a person.
class PseudoTerminal {
 public:
  explicit PseudoTerminal(unsigned short columns) {
    const winsize size{24, columns, 0, 0};
    std::array<char, 128> name{};
    open_ = openpty(&master_, &slave_, name.data(), nullptr, &size) == 0;
    name_ = name.data();
    if (open_) fcntl(master_, F_SETFL, O_NONBLOCK);
  }
  ~PseudoTerminal() {
    if (!open_) return;
    close(master_);
    close(slave_);
  }
  PseudoTerminal(const PseudoTerminal&) = delete;
  PseudoTerminal& operator=(const PseudoTerminal&) = delete;

  bool is_open() const { return open_; }
  const std::string& name() const { return name_; }
  /// What has been written so far, without carriage returns; a terminal holds some four thousand bytes.
  std::string Written() {
    std::string text;
    std::array<char, 4096> buffer{};
    for (ssize_t size = 0; (size = read(master_, buffer.data(), buffer.size())) > 0;) {
      for (ssize_t i = 0; i < size; ++i) {
        if (buffer[static_cast<std::size_t>(i)] != '\r') text += buffer[static_cast<std::size_t>(i)];
      }
    }
    return text;
  }

 private:
  bool open_ = false;
  int master_ = -1;
  int slave_ = -1;
  std::string name_;
};

class CompareCommand : public CommandLine {
 protected:
  /// What a terminal of so many columns shows; `settings` as a shell takes them before a command.
  std::string OnTerminal(int columns, const std::string& arguments, const std::string& settings = "") {
    PseudoTerminal terminal(static_cast<unsigned short>(columns));
    if (!terminal.is_open()) return "";
    const Outcome outcome =
        Shell("{ TERM=xterm NO_COLOR= " + settings + " " DFLOP_BINARY " " + arguments + " >" + terminal.name() + "; }");
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return terminal.Written();
  }

  void RunSmall(const std::string& out, const Json& experiment = SmallExperiment()) {
    Write(experiment);
    ASSERT_EQ(Dflop("run e.json --quiet --no-report --trace none --out " + out).code, 0);
  }
};

/// Without the codes that colour it.
std::string WithoutColours(std::string text) {
  for (std::size_t at = 0; (at = text.find('\033')) != std::string::npos;) text.erase(at, text.find('m', at) - at + 1);
  return text;
}

std::size_t WidestShown(const std::string& shown) {
  std::string text = WithoutColours(shown);
  std::size_t widest = 0;
  for (std::size_t end = 0; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
    widest = std::max(widest, Columns(text.substr(0, end)));
  }
  return widest;
}

TEST_F(CompareCommand, OfAResultWithItselfFindsNothing) {
  RunSmall("a");
  const Outcome same = Dflop("compare a a/result.json");
  EXPECT_EQ(same.code, 0) << same.err;
  EXPECT_TRUE(Says(same.out, "the inputs are equal, and so is the program")) << same.out;
  EXPECT_TRUE(Says(same.out, "1.000 ± 0.000")) << same.out;
  EXPECT_TRUE(Says(same.out, "paired over the seeds 1, 2")) << same.out;
}

TEST_F(CompareCommand, TellsWhatAChangedInputMovedForPeopleAndPrograms) {
  RunSmall("a");
  RunSmall("b", Edited("/scenarios/0/recompute", R"("full")"));
  const Outcome text = Dflop("compare a b --policy split");
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_TRUE(Says(text.out, "/software/recompute  none -> full")) << text.out;
  EXPECT_FALSE(Says(text.out, "\nplain ")) << text.out;
  const Outcome json = Dflop("compare a b --json");
  ASSERT_EQ(json.code, 0) << json.err;
  const Json comparison = ParseJson(json.out, "out");
  EXPECT_EQ(*comparison.find("schema"), Json("dflop/comparison/1"));
  const auto mean = [&](const char* result, std::size_t run) {
    const Json metrics = *Result(result).find("runs")->as<Json::Array>()[run].find("metrics");
    return metrics.find("iteration_time_s")->find("mean")->number();
  };
  // The rows stand policy by policy, two seeds each.
  const Json& row = comparison.find("rows")->as<Json::Array>().front();
  EXPECT_NEAR(row.find("iteration_time_b_over_a")->find("mean")->number(),
              (mean("b", 0) + mean("b", 1)) / (mean("a", 0) + mean("a", 1)), 1e-12);
}

TEST_F(CompareCommand, BadInputSaysWhatIsMissingAndHowToMakeItAgain) {
  RunSmall("a");
  const Outcome none = Dflop("compare a nowhere");
  EXPECT_EQ(none.code, 2);
  EXPECT_TRUE(Says(none.err, "nowhere: is not there")) << none.err;
  std::string old = Result("a").Dump();
  for (std::size_t at = 0; (at = old.find("\"mfu\"", at)) != std::string::npos;) old.replace(at, 5, "\"mfo\"");
  WriteFile(folder_ / "old.json", old);
  const Outcome older = Dflop("compare old.json a");
  EXPECT_EQ(older.code, 2);
  EXPECT_TRUE(Says(older.err, "lacks the key \"mfu\"")) << older.err;
  EXPECT_TRUE(Says(older.err, "run e.json --quiet")) << older.err;  // the command of its provenance
}

TEST_F(CompareCommand, TablesFitTheTerminalAndShowAllInAPipe) {
  RunSmall("a");
  if (OnTerminal(80, "--version").empty()) GTEST_SKIP() << "no pseudo-terminal here";
  for (const char* arguments :
       {"compare a a", "network dgx-h100 --ranks 8", "run --help", "schedule show 1f1b --stages 4 --microbatches 40",
        "plan e.json", "list corrections", "run e.json --no-report --trace none --out b", "check e.json --against a"}) {
    for (const int columns : {60, 80, 120}) {
      const std::string shown = OnTerminal(columns, arguments);
      EXPECT_FALSE(shown.empty()) << arguments;
      EXPECT_LE(WidestShown(shown), static_cast<std::size_t>(columns)) << arguments << "\n" << shown;
    }
  }
  const std::string narrow = OnTerminal(80, "run e.json --no-report --trace none --out c");
  EXPECT_TRUE(Says(narrow, "columns are not shown: --wide shows all")) << narrow;
  EXPECT_TRUE(Says(OnTerminal(80, "run e.json --no-report --trace none --out d --wide"), "imbalance"));
  EXPECT_TRUE(Says(Dflop("run e.json --no-report --trace none --out d", "COLUMNS=60").out, "imbalance"));
}

TEST_F(CompareCommand, ColoursAreForTerminalsThatWantThem) {
  if (OnTerminal(80, "--version").empty()) GTEST_SKIP() << "no pseudo-terminal here";
  RunSmall("a");
  EXPECT_TRUE(Says(OnTerminal(80, "compare a a"), "\033[1;32m"));
  EXPECT_FALSE(Says(OnTerminal(80, "compare a a", "NO_COLOR=1"), "\033["));
  EXPECT_FALSE(Says(OnTerminal(80, "compare a a", "TERM=dumb"), "\033["));
  EXPECT_FALSE(Says(Dflop("compare a a").out, "\033["));
}

}  // namespace
}  // namespace dflop
