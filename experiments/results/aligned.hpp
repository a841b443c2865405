// Columns of text for a terminal.
#pragma once

#include <string>
#include <vector>

namespace dflop {

/// A line for each: the first cell to the left, the others to the right of their column. A line of fewer cells than the
/// first one has counts for no width: its last cell may be as long as it likes.
std::string Aligned(const std::vector<std::vector<std::string>>& lines);

}  // namespace dflop
