// A text is measured before it is laid out, so none is cut; a rounded nothing loses its sign.
#include "base/text.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include "base/error.hpp"

namespace dflop {

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
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), StartsCharacter));
}

}  // namespace dflop
