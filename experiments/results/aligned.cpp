// Widths are columns of the terminal, not bytes.
#include "experiments/results/aligned.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace dflop {

std::string Aligned(const std::vector<std::vector<std::string>>& lines) {
  std::vector<std::size_t> widths;
  for (const std::vector<std::string>& line : lines) {
    if (line.size() != lines.front().size()) continue;
    widths.resize(line.size());
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], Columns(line[i]));
  }
  std::string text;
  for (const std::vector<std::string>& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      const std::string padding(widths[i] - std::min(widths[i], Columns(line[i])), ' ');
      const bool last = i + 1 == line.size();
      text += i == 0                                ? line[i] + padding
              : last && line.size() < widths.size() ? "  " + line[i]
                                                    : "  " + padding + line[i];
    }
    text += "\n";
  }
  return text;
}

}  // namespace dflop
