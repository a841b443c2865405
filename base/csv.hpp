// Strict reading of comma-separated tables: every complaint names the file and the line.
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace dflop {

struct CsvTable {
  std::string file;
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;  ///< each as wide as the header
  std::vector<std::size_t> lines;              ///< where a row starts in the file, from 1

  bool Has(std::string_view name) const;
  /// Index of a column; InputError when the header lacks it.
  std::size_t Column(std::string_view name) const;
  /// The cell as a finite number within the inclusive bounds; InputError with file and line otherwise.
  double Number(std::size_t row, std::size_t column, double min = std::numeric_limits<double>::lowest(),
                double max = std::numeric_limits<double>::max()) const;
  /// Throws InputError "FILE:LINE: what".
  [[noreturn]] void Fail(std::size_t row, const std::string& what) const;
};

/// Reads a table whose first line that is no comment holds the column names. Empty lines and lines that start with '#'
/// are skipped; a quoted field may hold commas, line breaks and doubled quotes. InputError when a row's width differs
/// from the header's, a quote never closes, a column name repeats or is missing, or there is no header at all.
CsvTable ReadCsv(const std::string& path);

/// The same from text already in memory; `file` is the name used in messages.
CsvTable ParseCsv(std::string_view text, const std::string& file);

}  // namespace dflop
