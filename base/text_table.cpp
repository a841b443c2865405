// Widths are columns of the terminal, not bytes. A cell that is too long for its column goes on in the next line.
#include "base/text_table.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"

namespace dflop {
namespace {

using CellTexts = std::vector<std::string>;

constexpr std::size_t kGap = 2;
/// What a column of words is narrowed to: to a sentence's before headings are broken, to words' before other columns
/// are left out, to the least when none is left.
constexpr std::size_t kReadableSentence = 40;
constexpr std::size_t kReadableWords = 20;
constexpr std::size_t kLeastWords = 8;

CellTexts LinesOf(const std::string& text) {
  CellTexts lines(1);
  for (const char c : text) {
    if (c == '\n') {
      lines.emplace_back();
    } else {
      lines.back().push_back(c);
    }
  }
  return lines;
}

std::size_t LongestWord(const std::string& text) {
  std::size_t longest = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    longest = std::max(longest, Columns(std::string_view(text).substr(at, end - at)));
    at = end + 1;
  }
  return longest;
}

void DropTrailingBlanks(std::string& line) { line.erase(line.find_last_not_of(' ') + 1); }

}  // namespace

struct TextTable::Shape {
  std::vector<std::size_t> shown;   ///< columns, from left to right
  std::vector<std::size_t> widths;  ///< of all columns
  std::vector<std::size_t> cells;   ///< of the widest cell below the heading, of all columns

  std::size_t width(std::size_t indent) const {
    std::size_t sum = indent + kGap * (shown.size() - 1);
    for (const std::size_t column : shown) sum += widths[column];
    return sum;
  }
};

TextTable::TextTable(std::vector<TableColumn> columns, std::size_t indent)
    : columns_(std::move(columns)), indent_(indent) {
  DFLOP_CHECK(!columns_.empty(), "a table has a column");
}

void TextTable::Add(TableRow row) {
  DFLOP_CHECK(row.cells.size() == columns_.size() || row.cells.size() == 2, "a row has a cell for every column");
  rows_.push_back(std::move(row));
}

void TextTable::AlignIntervals() {
  constexpr std::string_view kSign = " ± ";
  const auto behind = [&](const std::string& cell) {
    return Columns(std::string_view(cell).substr(std::min(cell.find(kSign), cell.size())));
  };
  for (std::size_t column = 0; column < columns_.size(); ++column) {
    std::size_t widest = 0;
    for (const TableRow& row : rows_) {
      if (row.cells.size() == columns_.size()) widest = std::max(widest, behind(row.cells[column]));
    }
    for (TableRow& row : rows_) {
      if (row.cells.size() != columns_.size() || columns_[column].left) continue;
      std::string& cell = row.cells[column];
      cell.append(widest - behind(cell), ' ');
    }
  }
}

void TextTable::MeasureCells(Shape& shape) const {
  shape.cells.assign(columns_.size(), 0);
  for (const TableRow& row : rows_) {
    const std::size_t counted = row.cells.size() == columns_.size() ? columns_.size() : 1;
    for (std::size_t i = 0; i < counted; ++i) shape.cells[i] = std::max(shape.cells[i], Columns(row.cells[i]));
  }
  shape.widths = shape.cells;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    shape.shown.push_back(i);
    shape.widths[i] = std::max(shape.widths[i], Columns(columns_[i].heading));
  }
}

// A column of words gives way only as far as the others need it.
void TextTable::GiveWay(Shape& shape, std::size_t column, std::size_t least, std::size_t width) const {
  const std::size_t over = shape.width(indent_) - std::min(width, shape.width(indent_));
  std::size_t& own = shape.widths[column];
  if (columns_[column].left && own > least) own -= std::min(over, own - least);
}

void TextTable::Narrow(Shape& shape, std::size_t width) const {
  Shape with_sentences = shape;
  GiveWay(with_sentences, shape.shown.back(), kReadableSentence, width);
  if (with_sentences.width(indent_) <= width) {
    shape = with_sentences;
    return;
  }
  for (const std::size_t column : shape.shown) {
    if (shape.width(indent_) <= width) return;
    const std::size_t least = std::max(shape.cells[column], LongestWord(columns_[column].heading));
    shape.widths[column] = std::min(shape.widths[column], least);
  }
  GiveWay(shape, shape.shown.back(), kReadableWords, width);
  GiveWay(shape, shape.shown.front(), kReadableWords, width);
}

void TextTable::LeaveOutOne(Shape& shape) const {
  auto first = shape.shown.begin();
  for (auto column = shape.shown.begin(); column != shape.shown.end(); ++column) {
    if (columns_[*column].expendable >= columns_[*first].expendable) first = column;
  }
  shape.shown.erase(first);
}

TextTable::Shape TextTable::ShapeFor(const TextStyle& style) const {
  Shape whole;
  MeasureCells(whole);
  if (!style.width || whole.width(indent_) <= *style.width) return whole;
  std::vector<std::size_t> shown = whole.shown;
  const auto can_go = [&] {
    return std::any_of(shown.begin(), shown.end(), [&](std::size_t i) { return columns_[i].expendable > 0; });
  };
  while (true) {
    Shape shape = whole;
    shape.shown = shown;
    Narrow(shape, *style.width);
    if (shape.width(indent_) <= *style.width) return shape;
    if (!can_go()) {
      GiveWay(shape, shape.shown.front(), kLeastWords, *style.width);
      GiveWay(shape, shape.shown.back(), kLeastWords, *style.width);
      return shape;
    }
    LeaveOutOne(shape);
    shown = shape.shown;
  }
}

std::size_t TextTable::LeftOut(const TextStyle& style) const { return columns_.size() - ShapeFor(style).shown.size(); }

std::string TextTable::Line(const Shape& shape, const std::vector<std::string>& cells) const {
  std::vector<CellTexts> broken;
  std::size_t height = 1;
  for (const std::size_t column : shape.shown) {
    broken.push_back(BrokenLines(cells[column], std::max<std::size_t>(shape.widths[column], 1)));
    height = std::max(height, broken.back().size());
  }
  std::string text;
  for (std::size_t line = 0; line < height; ++line) {
    std::string row(indent_, ' ');
    for (std::size_t i = 0; i < broken.size(); ++i) {
      const std::string cell = line < broken[i].size() ? broken[i][line] : "";
      const std::size_t width = shape.widths[shape.shown[i]];
      const std::string blanks(width - std::min(width, Columns(cell)), ' ');
      if (i > 0) row.append(kGap, ' ');
      row += columns_[shape.shown[i]].left ? cell + blanks : blanks + cell;
    }
    DropTrailingBlanks(row);
    text += row + "\n";
  }
  return text;
}

std::string TextTable::RowText(const Shape& shape, const TableRow& row, const TextStyle& style) const {
  std::string text;
  if (row.cells.size() == columns_.size()) {
    text = Line(shape, row.cells);
  } else {
    const std::size_t first = shape.widths[shape.shown.front()];
    const std::string blanks(first - std::min(first, Columns(row.cells[0])), ' ');
    text = std::string(indent_, ' ') + row.cells[0] + blanks + std::string(kGap, ' ') + row.cells[1] + "\n";
  }
  CellTexts lines = LinesOf(Wrapped(text.substr(0, text.size() - 1), style));
  text.clear();
  for (const std::string& line : lines) text += Painted(row.paint, line, style) + "\n";
  return text;
}

std::string TextTable::Text(const TextStyle& style) const {
  const Shape shape = ShapeFor(style);
  std::vector<std::string> headings;
  headings.reserve(columns_.size());
  for (const TableColumn& column : columns_) headings.push_back(column.heading);
  std::string text = RowText(shape, {headings}, style);
  for (const TableRow& row : rows_) text += RowText(shape, row, style);
  return text;
}

std::string LeftOutNote(std::size_t left_out, std::size_t columns) {
  if (left_out == 0) return "";
  return std::to_string(left_out) + " of " + std::to_string(columns) +
         (left_out == 1 ? " columns is not shown" : " columns are not shown") + ": --wide shows all\n";
}

}  // namespace dflop
