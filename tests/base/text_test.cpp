// Layout of long and rounded texts, and characters against bytes.
#include "base/text.hpp"

#include <gtest/gtest.h>

namespace dflop {
namespace {

TEST(Text, IsLaidOutAsByPrintfHoweverLongItIs) {
  EXPECT_EQ(Format("%3d|%-4s|%.2f %%", 7, "ab", 1.005), "  7|ab  |1.00 %");  // 1.005 is a little less in binary
  const std::string name(1000, 'x');
  EXPECT_EQ(Format("<%s>", name.c_str()), "<" + name + ">");
  EXPECT_EQ(Format("%s", ""), "");
}

TEST(Text, ARoundedNothingHasNoSign) {
  EXPECT_EQ(Fixed(-0.04, 1), "0.0");
  EXPECT_EQ(Fixed(-0.0, 0), "0");
  EXPECT_EQ(Fixed(-0.06, 1), "-0.1");
  EXPECT_EQ(Fixed(12.345, 1), "12.3");
}

TEST(Text, ColumnsAreCharactersNotBytes) {
  EXPECT_EQ(Columns(""), 0u);
  EXPECT_EQ(Columns("1.2 ± 0.3"), 9u);
  EXPECT_EQ(Columns("≥10"), 3u);  // "≥" is three bytes
}

}  // namespace
}  // namespace dflop
