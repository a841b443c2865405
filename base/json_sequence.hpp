// Texts that hold JSON, one value or many: an array, one value per line, pretty-printed values, arrays one after
// another.
//
// Which of them a file is follows from its values and not from its first byte or its name.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace dflop {

/// Hands over the values one after the other as text, with the line on which each begins (from 1). A byte order mark is
/// no part of any. InputError naming what the file is instead where that shows: Parquet, an archive, UTF-16, a table,
/// …; or where commas stand between the values. What is wrong inside a value is for its parser to say.
void ForEachJsonValue(std::string_view text, const std::string& file,
                      const std::function<void(std::string_view value, std::size_t line)>& take);

}  // namespace dflop
