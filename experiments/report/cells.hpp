// The parts that every sortable table of the report is made of.
#pragma once

#include <string>
#include <vector>

namespace dflop {

/// `number` is what the column sorts by, in full; `detail` stands smaller under the text.
std::string Cell(double number, const std::string& text, const std::string& detail = "");
std::string EmptyCell();
/// A row of column names that sort by a click.
std::string HeaderRow(const std::vector<std::string>& names);
/// A paragraph of explanation; "" where there is nothing to explain.
std::string NoteLine(const std::string& text);

}  // namespace dflop
