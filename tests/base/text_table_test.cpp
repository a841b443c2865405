// Tables beside widths worked out by hand.
#include "base/text_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.hpp"

namespace dflop {
namespace {

TextTable Example() {
  TextTable table({{"policy", true}, {"s/step"}, {"bubble", false, 3}, {"idle %", false, 2}, {"fits"}});
  table.Add({{"alpha", "24.413 ± 0.120*", "1.0", "12.5", "yes"}, Paint::kBest});
  table.Add({{"b", "9.100 ± –", "30.2", "4.0", "NO"}, Paint::kBad});
  table.AlignIntervals();
  return table;
}

std::size_t WidestLine(std::string text) {
  std::size_t widest = 0;
  for (std::size_t end = 0; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
    widest = std::max(widest, Columns(text.substr(0, end)));
  }
  return widest;
}

TEST(TextTable, APipeGetsEveryColumn) {
  // 6 + 15 + 6 + 6 + 4 columns and four gaps of two are 45; the signs stand below each other.
  EXPECT_EQ(Example().Text({}),
            "policy           s/step  bubble  idle %  fits\n"
            "alpha   24.413 ± 0.120*     1.0    12.5   yes\n"
            "b        9.100 ± –         30.2     4.0    NO\n");
  EXPECT_EQ(Example().LeftOut({}), 0u);
}

TEST(TextTable, HeadingsWrapBeforeAColumnGoes) {
  // "idle %" needs no more than "idle" and "12.5": 43.
  EXPECT_EQ(Example().LeftOut({43, false}), 0u);
  EXPECT_EQ(Example().Text({43, false}),
            "policy           s/step  bubble  idle  fits\n"
            "                                    %\n"
            "alpha   24.413 ± 0.120*     1.0  12.5   yes\n"
            "b        9.100 ± –         30.2   4.0    NO\n");
}

TEST(TextTable, HeadingsAreBrokenBetweenWords) {
  // 4 + 2 + 8 + 2 + 3 are 19; of "A s/step" the longer word has 6 columns, as its figures have: 17.
  TextTable table({{"name", true}, {"A s/step"}, {"B/A"}});
  table.Add({{"p", "48.851", "1.1"}});
  EXPECT_EQ(table.Text({18, false}),
            "name       A  B/A\n"
            "      s/step\n"
            "p     48.851  1.1\n");
}

TEST(TextTable, TheMostExpendableColumnGoesFirst) {
  // At 42 the bubble goes (43 − 8 = 35), at 34 the idle time too (35 − 6 = 29).
  EXPECT_EQ(Example().LeftOut({42, false}), 1u);
  EXPECT_EQ(Example().Text({42, false}).find("bubble"), std::string::npos);
  EXPECT_EQ(Example().LeftOut({34, false}), 2u);
  EXPECT_EQ(Example().Text({34, false}),
            "policy           s/step  fits\n"
            "alpha   24.413 ± 0.120*   yes\n"
            "b        9.100 ± –         NO\n");
}

TEST(TextTable, WordsAreBrokenInTheirColumn) {
  TextTable table({{"name", true}, {"n"}, {"what", true}});
  table.Add({{"a", "1", "words that are more than twenty columns wide"}});
  // 4 + 2 + 1 + 2 leave 21 of 30: "words that are more" is 19, "than twenty columns" too.
  EXPECT_EQ(table.Text({30, false}),
            "name  n  what\n"
            "a     1  words that are more\n"
            "         than twenty columns\n"
            "         wide\n");
}

TEST(TextTable, ASentenceStandsInThePlaceOfTheFigures) {
  TextTable table({{"policy", true}, {"s/step"}, {"fits"}});
  table.Add({{"alpha", "infeasible: nothing fits into so little"}, Paint::kWarning});
  EXPECT_EQ(table.Text({30, false}),
            "policy  s/step  fits\n"
            "alpha   infeasible: nothing\n"
            "        fits into so little\n");
  // Painted line by line, so that what follows is not.
  EXPECT_NE(table.Text({30, true}).find("\033[33malpha   infeasible: nothing\033[0m\n\033[33m"), std::string::npos);
}

TEST(TextTable, NoLineIsWiderThanTheTerminal) {
  TextTable table({{"policy", true}, {"s/step"}, {"vs a-baseline-of-some-length", false, 1}, {"fits"}, {"why", true}});
  table.Add({{"a policy (first-fit-decreasing-with-caps instead)", "1.000 ± 0.001", "1.234 ± 0.010", "yes",
              "because of a reason that is long enough to be broken twice over"}});
  for (std::size_t width = 40; width <= 140; ++width) EXPECT_LE(WidestLine(table.Text({width, false})), width);
}

TEST(TextTable, SaysHowManyColumnsAreNotShown) {
  EXPECT_EQ(LeftOutNote(2, 5), "2 of 5 columns are not shown: --wide shows all\n");
  EXPECT_EQ(LeftOutNote(1, 5), "1 of 5 columns is not shown: --wide shows all\n");
  EXPECT_EQ(LeftOutNote(0, 5), "");
}

}  // namespace
}  // namespace dflop
