// Cells carry the bare number, by which the page's script sorts.
#include "experiments/report/cells.hpp"

#include "base/json.hpp"
#include "experiments/report/svg.hpp"

namespace dflop {

std::string Cell(double number, const std::string& text, const std::string& detail) {
  const std::string below = detail.empty() ? "" : "<small>" + EscapeXml(detail) + "</small>";
  return "<td data-value=\"" + ShortestNumber(number) + "\">" + EscapeXml(text) + below + "</td>";
}

std::string EmptyCell() { return "<td>–</td>"; }

std::string HeaderRow(const std::vector<std::string>& names) {
  std::string row = "<tr>";
  for (const std::string& name : names) {
    row += "<th scope=\"col\"><button type=\"button\">" + EscapeXml(name) + "</button></th>";
  }
  return row + "</tr>\n";
}

std::string NoteLine(const std::string& text) {
  return text.empty() ? "" : "<p class=\"note\">" + EscapeXml(text) + "</p>\n";
}

}  // namespace dflop
