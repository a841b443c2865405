// What a terminal is told from a pipe by, and lines that are too long for one.
#include "base/terminal.hpp"

#include <gtest/gtest.h>

#include <map>

#include "base/text.hpp"

namespace dflop {
namespace {

OutputFacts Facts(bool is_terminal, std::size_t columns, std::map<std::string, std::string> variables = {}) {
  return {is_terminal, columns, [variables = std::move(variables)](const char* name) {
            const auto found = variables.find(name);
            return found == variables.end() ? std::string() : found->second;
          }};
}

TEST(Terminal, APipeHasNoWidthAndNoColours) {
  const TextStyle style = StyleFor(Facts(false, 0, {{"COLUMNS", "60"}, {"TERM", "xterm"}}));
  EXPECT_FALSE(style.width.has_value());
  EXPECT_FALSE(style.colours);
}

TEST(Terminal, ItsWidthIsWhatItSaysElseCOLUMNSElse80) {
  EXPECT_EQ(StyleFor(Facts(true, 132, {{"COLUMNS", "60"}})).width, 132u);
  EXPECT_EQ(StyleFor(Facts(true, 0, {{"COLUMNS", "60"}})).width, 60u);
  EXPECT_EQ(StyleFor(Facts(true, 0, {{"COLUMNS", "wide"}})).width, 80u);
  EXPECT_EQ(StyleFor(Facts(true, 0)).width, 80u);
}

TEST(Terminal, HasColoursUnlessNO_COLORIsSetOrItIsDumb) {
  EXPECT_TRUE(StyleFor(Facts(true, 80, {{"TERM", "xterm"}})).colours);
  EXPECT_TRUE(StyleFor(Facts(true, 80, {{"NO_COLOR", ""}})).colours);
  EXPECT_FALSE(StyleFor(Facts(true, 80, {{"NO_COLOR", "1"}})).colours);
  EXPECT_FALSE(StyleFor(Facts(true, 80, {{"TERM", "dumb"}})).colours);
}

TEST(Terminal, PaintIsLaidOnWhereThereAreColours) {
  EXPECT_EQ(Painted(Paint::kBad, "x", {80, true}), "\033[31mx\033[0m");
  EXPECT_EQ(Painted(Paint::kBad, "x", {80, false}), "x");
  EXPECT_EQ(Painted(Paint::kNone, "x", {80, true}), "x");
}

TEST(Wrapped, LongLinesGoOnBelowTheirLastColumn) {
  // The words begin in column 9; "  name   what it is" is 19 columns, with " and" it would be 23.
  EXPECT_EQ(Wrapped("  name   what it is and does\nshort\n", {20, false}),
            "  name   what it is\n         and does\nshort\n");
  // Without columns the rest stands two further in.
  EXPECT_EQ(Wrapped("one two three four", {10, false}), "one two\n  three\n  four");
}

TEST(Wrapped, NoLineIsWiderWhateverItsWords) {
  const std::string text = "αβγδ " + std::string(50, 'x') + " ± 日本語日本語日本語日本語日本語";
  for (const std::size_t width : {20U, 21U, 33U, 60U}) {
    std::string without_blanks;
    std::string wrapped = Wrapped(text, {width, false}) + "\n";
    for (std::size_t end = 0; (end = wrapped.find('\n')) != std::string::npos; wrapped.erase(0, end + 1)) {
      EXPECT_LE(Columns(wrapped.substr(0, end)), width) << wrapped.substr(0, end);
      for (const char c : wrapped.substr(0, end)) without_blanks += c == ' ' ? "" : std::string(1, c);
    }
    EXPECT_EQ(without_blanks, "αβγδ" + std::string(50, 'x') + "±日本語日本語日本語日本語日本語");  // nothing is lost
  }
}

TEST(Wrapped, APipeGetsLinesAsTheyAre) {
  const std::string line(500, 'x');
  EXPECT_EQ(Wrapped(line, {}), line);
}

TEST(Text, WideCharactersAreTwoColumnsAndCombiningOnesNone) {
  EXPECT_EQ(Columns("日本"), 4u);
  EXPECT_EQ(Columns("e\u0301"), 1u);  // e and an acute accent on it
}

}  // namespace
}  // namespace dflop
