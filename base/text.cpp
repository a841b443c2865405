// A text is measured before it is laid out, so none is cut; a rounded nothing loses its sign.
#include "base/text.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <initializer_list>

#include "base/error.hpp"

namespace dflop {
namespace {

struct CodePoints {
  char32_t first;
  char32_t last;
};

bool IsAmong(char32_t point, std::initializer_list<CodePoints> ranges) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const CodePoints& range) { return point >= range.first && point <= range.last; });
}

/// Of the character that begins here; a broken one counts as what its bytes say.
char32_t CodePointAt(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned lead = byte(at);
  const std::size_t more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
  char32_t point = more == 0 ? lead : lead & (0x3FU >> more);
  for (std::size_t i = 1; i <= more; ++i) point = (point << 6U) | (byte(at + i) & 0x3FU);
  return point;
}

/// After Unicode's East Asian widths and its combining marks, the blocks that names are written in.
std::size_t ColumnsOf(char32_t point) {
  if (IsAmong(point, {{0x300, 0x36F}, {0x200B, 0x200F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}})) return 0;
  const bool wide = IsAmong(point, {{0x1100, 0x115F},
                                    {0x2E80, 0x303E},
                                    {0x3041, 0xA4CF},
                                    {0xAC00, 0xD7A3},
                                    {0xF900, 0xFAFF},
                                    {0xFE30, 0xFE6F},
                                    {0xFF00, 0xFF60},
                                    {0xFFE0, 0xFFE6},
                                    {0x1F300, 0x1F64F},
                                    {0x1F900, 0x1F9FF},
                                    {0x20000, 0x3FFFD}});
  return wide ? 2 : 1;
}

}  // namespace

std::string Format(const char* format, ...) {
  std::va_list arguments;
  std::va_list again;
  va_start(arguments, format);
  va_copy(again, arguments);
  const int size = std::vsnprintf(nullptr, 0, format, arguments);
  va_end(arguments);
  DFLOP_CHECK(size >= 0, "text can be laid out");
  std::string text(static_cast<std::size_t>(size), '\0');
  std::vsnprintf(text.data(), text.size() + 1, format, again);
  va_end(again);
  return text;
}

std::string Fixed(double value, int decimals) {
  const std::string text = Format("%.*f", decimals, value);
  const bool nothing = text.find_first_not_of("-0.") == std::string::npos;
  return nothing && text.front() == '-' ? text.substr(1) : text;
}

std::size_t Columns(std::string_view text) {
  std::size_t columns = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (StartsCharacter(text[at])) columns += ColumnsOf(CodePointAt(text, at));
  }
  return columns;
}

}  // namespace dflop
