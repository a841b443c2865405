// One pass over the text, record by record, counting lines; a quoted field may span several of them.
#include "base/csv.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/file_format.hpp"
#include "base/json.hpp"
#include "base/json_reader.hpp"

namespace dflop {
namespace {

[[noreturn]] void FailAt(const std::string& file, std::size_t line, const std::string& what) {
  throw InputError(file, std::to_string(line), what);
}

/// Walks through the text record by record and keeps count of lines.
class Scanner {
 public:
  Scanner(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  std::size_t line() const { return line_; }

  /// Skips comments and empty lines; false at the end of the text.
  bool FindRecord() {
    while (!AtEnd()) {
      if (Peek() == '#') {
        while (!AtEnd() && Peek() != '\n') ++at_;
      } else if (!AtLineEnd()) {
        return true;
      }
      EndLine();
    }
    return false;
  }

  std::vector<std::string> Record() {
    std::vector<std::string> fields;
    do {
      fields.push_back(Peek() == '"' ? QuotedField() : PlainField());
    } while (Take(','));
    if (!AtEnd() && !AtLineEnd()) FailAt(file_, line_, "has text after a closing quote");
    EndLine();
    return fields;
  }

 private:
  bool AtEnd() const { return at_ >= text_.size(); }
  char Peek() const { return AtEnd() ? '\0' : text_[at_]; }
  bool AtLineEnd() const { return Peek() == '\n' || text_.substr(at_, 2) == "\r\n"; }
  bool Take(char wanted) {
    if (Peek() != wanted || AtEnd()) return false;
    ++at_;
    return true;
  }
  void EndLine() {
    if (AtEnd()) return;
    at_ += Peek() == '\r' ? 2 : 1;
    ++line_;
  }
  std::string PlainField() {
    const std::size_t start = at_;
    while (!AtEnd() && !AtLineEnd() && Peek() != ',') ++at_;
    return std::string(text_.substr(start, at_ - start));
  }
  std::string QuotedField() {
    const std::size_t opened = line_;
    std::string field;
    ++at_;
    while (!AtEnd()) {
      const char c = text_[at_++];
      if (c == '"' && !Take('"')) return field;
      if (c == '\n') ++line_;
      field += c;
    }
    FailAt(file_, opened, "opens a quote that never closes");
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

void CheckHeader(const CsvTable& table, std::size_t line) {
  for (std::size_t i = 0; i < table.header.size(); ++i) {
    const auto first = std::find(table.header.begin(), table.header.end(), table.header[i]);
    if (first != table.header.begin() + static_cast<std::ptrdiff_t>(i)) {
      FailAt(table.file, line, "names the column " + JsonQuote(table.header[i]) + " twice");
    }
  }
}

}  // namespace

bool CsvTable::Has(std::string_view name) const {
  return std::find(header.begin(), header.end(), name) != header.end();
}

std::size_t CsvTable::Column(std::string_view name) const {
  const auto found = std::find(header.begin(), header.end(), name);
  if (found == header.end()) {
    const std::string wanted(name);
    throw InputError(file, "", "lacks the column " + JsonQuote(wanted) + ", it has: " + JoinNames(header));
  }
  return static_cast<std::size_t>(found - header.begin());
}

double CsvTable::Number(std::size_t row, std::size_t column, double min, double max) const {
  const std::string& text = rows[row][column];
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) {
    Fail(row, "column " + JsonQuote(header[column]) + " holds " + JsonQuote(text) + ", a number is wanted");
  }
  if (number < min || number > max) {
    Fail(row, "column " + JsonQuote(header[column]) + " holds " + text + ", allowed is from " + ShortestNumber(min) +
                  " to " + ShortestNumber(max));
  }
  return number;
}

void CsvTable::Fail(std::size_t row, const std::string& what) const { FailAt(file, lines[row], what); }

CsvTable ParseCsv(std::string_view text, const std::string& file) {
  CsvTable table;
  table.file = file;
  Scanner scanner(text, file);
  if (!scanner.FindRecord()) throw InputError(file, "", "is empty, a table with a header is wanted");
  const std::size_t header_line = scanner.line();
  table.header = scanner.Record();
  CheckHeader(table, header_line);
  while (scanner.FindRecord()) {
    const std::size_t line = scanner.line();
    std::vector<std::string> fields = scanner.Record();
    if (fields.size() != table.header.size()) {
      FailAt(file, line,
             "has " + std::to_string(fields.size()) + " fields, the header has " + std::to_string(table.header.size()));
    }
    table.rows.push_back(std::move(fields));
    table.lines.push_back(line);
  }
  return table;
}

CsvTable ReadCsv(const std::string& path) {
  const std::string text = ReadFile(path);
  RefuseForeignFormats(text, path);
  return ParseCsv(WithoutByteOrderMark(text), path);
}

}  // namespace dflop
