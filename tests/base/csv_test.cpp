// CSV reading: what is skipped, what is quoted, and that every complaint names its line.
#include "base/csv.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "tests/input_error.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

std::string Complaint(const std::string& text) {
  try {
    const CsvTable table = ParseCsv(text, "t.csv");
    for (std::size_t row = 0; row < table.rows.size(); ++row) table.Number(row, table.Column("a"), 1, 100);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(Csv, CommentsAndEmptyLinesAreSkippedButCounted) {
  const CsvTable table = ParseCsv("# source\na,b\n\n1,2\n#x\n3,4", "t.csv");
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.lines[1], 6u);
  EXPECT_EQ(table.Number(1, table.Column("b")), 4.0);
}

TEST(Csv, QuotedFieldsHoldCommasQuotesAndLineBreaks) {
  const CsvTable table = ParseCsv("a,b\r\n1,\"x, \"\"y\"\"\nz\"\r\n2,q\r\n", "t.csv");
  EXPECT_EQ(table.rows[0][1], "x, \"y\"\nz");
  EXPECT_EQ(table.rows[1][1], "q");
  EXPECT_EQ(table.lines[1], 4u);
}

TEST(Csv, EveryComplaintNamesFileAndLine) {
  EXPECT_EQ(Complaint("a,b\n1,2\n3\n"), "t.csv:3: has 1 fields, the header has 2");
  EXPECT_EQ(Complaint("a,b\nnan,2\n"), "t.csv:2: column \"a\" holds \"nan\", a number is wanted");
  EXPECT_EQ(Complaint("a,b\n1 ,2\n"), "t.csv:2: column \"a\" holds \"1 \", a number is wanted");
  EXPECT_EQ(Complaint("a,b\n-1,2\n"), "t.csv:2: column \"a\" holds -1, allowed is from 1.0 to 100.0");
  EXPECT_EQ(Complaint("a,b\n1,\"2\n\n"), "t.csv:2: opens a quote that never closes");
  EXPECT_EQ(Complaint("a,b\n\"1\"x,2\n"), "t.csv:2: has text after a closing quote");
  EXPECT_EQ(Complaint("a,a\n1,2\n"), "t.csv:1: names the column \"a\" twice");
  EXPECT_EQ(Complaint("b,c\n1,2\n"), "t.csv: lacks the column \"a\", it has: b, c");
  EXPECT_EQ(Complaint("# nothing\n"), "t.csv: is empty, a table with a header is wanted");
}

TEST(Csv, AnEmptyFieldIsAFieldButNoNumber) {
  EXPECT_EQ(Complaint("b,a\n1,\n"), "t.csv:2: column \"a\" holds \"\", a number is wanted");
}

TEST(Csv, AFileInAnotherFormatIsNamedAndAByteOrderMarkIsNoColumn) {
  const TemporaryFolder folder;
  WriteFile(folder / "fake.csv", "PAR1\x15\x04\x15");
  EXPECT_NE(ErrorOf([&] { ReadCsv(folder / "fake.csv"); }).find("is a Parquet file"), std::string::npos);
  WriteFile(folder / "sheet.csv", "\xef\xbb\xbftext_tokens,images\n3,1\n");
  EXPECT_TRUE(ReadCsv(folder / "sheet.csv").Has("text_tokens"));
}

}  // namespace
}  // namespace dflop
