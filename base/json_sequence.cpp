// Finds where each value ends by its brackets and quotes alone; whether it is valid JSON is left to whoever takes it.
#include "base/json_sequence.hpp"

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "base/file_format.hpp"
#include "base/json.hpp"

namespace dflop {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/// Length of the object or array that `text` begins with; of all of it where that never ends.
std::size_t LengthOfContainer(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      i += c == '\\' ? 1 : 0;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return i + 1;
    }
  }
  return text.size();
}

}  // namespace

void ForEachJsonValue(std::string_view text, const std::string& file,
                      const std::function<void(std::string_view value, std::size_t line)>& take) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  RefuseForeignFormats(text, file);
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::size_t line = 1;
  bool first = true;
  while (!text.empty()) {
    if (IsBlank(text.front())) {
      line += text.front() == '\n' ? 1 : 0;
      text.remove_prefix(1);
      continue;
    }
    const std::string place = first ? file : file + ":" + std::to_string(line);
    if (text.front() == ',') {
      throw InputError(place, "",
                       "has a comma between its values: put them into one array, or one a line without comma");
    }
    if (text.front() != '{' && text.front() != '[') {
      const std::string_view start = text.substr(0, std::min<std::size_t>(text.find_first_of("\r\n"), 20));
      throw InputError(place, "", "is no JSON object or array here: begins with " + JsonQuote(start));
    }
    const std::string_view value = text.substr(0, LengthOfContainer(text));
    take(value, line);
    first = false;
    line += static_cast<std::size_t>(std::count(value.begin(), value.end(), '\n'));
    text.remove_prefix(value.size());
  }
}

}  // namespace dflop
