// What a file is that should have been a text.
#pragma once

#include <string>
#include <string_view>

namespace dflop {

/// InputError naming what the file is instead where that shows: Parquet, an archive, UTF-16, a binary file, …
void RefuseForeignFormats(std::string_view text, const std::string& file);

/// Without the mark of UTF-8 that some editors and spreadsheets begin a text with.
std::string_view WithoutByteOrderMark(std::string_view text);

}  // namespace dflop
