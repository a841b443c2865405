// A table for people, as wide as the terminal allows: the one that every command prints with.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/terminal.hpp"

namespace dflop {

struct TableColumn {
  std::string heading;  ///< with the unit of its numbers
  bool left = false;    ///< words; numbers stand to the right
  /// How soon the column goes where not all have room: 0 never, larger ones first, of equals the one further right.
  int expendable = 0;
};

struct TableRow {
  /// One for each column, or two: the first, and a sentence in the place of all others.
  std::vector<std::string> cells;
  Paint paint = Paint::kNone;
};

class TextTable {
 public:
  /// `columns`: one at least. `indent`: blanks before every line.
  explicit TextTable(std::vector<TableColumn> columns, std::size_t indent = 0);
  void Add(TableRow row);
  bool empty() const { return rows_.empty(); }
  /// Of a column whose cells are "24.4 ± 0.1" or plain numbers: blanks behind what is short, so that the signs and the
  /// points of the numbers stand below each other. Called when all rows are there.
  void AlignIntervals();

  /// Where the style has a width: a last column of sentences, headings, columns of words at either end are broken, then
  /// columns are left out, until no line is wider.
  std::string Text(const TextStyle& style) const;
  /// How many columns Text leaves out.
  std::size_t LeftOut(const TextStyle& style) const;
  std::size_t columns() const { return columns_.size(); }

 private:
  struct Shape;
  Shape ShapeFor(const TextStyle& style) const;
  void MeasureCells(Shape& shape) const;
  void GiveWay(Shape& shape, std::size_t column, std::size_t least, std::size_t width) const;
  void Narrow(Shape& shape, std::size_t width) const;
  void LeaveOutOne(Shape& shape) const;
  std::string Line(const Shape& shape, const std::vector<std::string>& cells) const;
  std::string RowText(const Shape& shape, const TableRow& row, const TextStyle& style) const;

  std::vector<TableColumn> columns_;
  std::vector<TableRow> rows_;
  std::size_t indent_;
};

/// "7 of 12 columns are not shown: --wide shows all", a line; "" where all are there.
std::string LeftOutNote(std::size_t left_out, std::size_t columns);

}  // namespace dflop
