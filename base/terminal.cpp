// The style is asked of the system at every call: a terminal may be resized between two tables.
#include "base/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "base/text.hpp"

namespace dflop {
namespace {

constexpr std::size_t kUsualColumns = 80;
/// Narrower than this nothing can be laid out.
constexpr std::size_t kFewestColumns = 20;

std::size_t NumberIn(const std::string& variable) {
  std::size_t columns = 0;
  const auto [end, error] = std::from_chars(variable.data(), variable.data() + variable.size(), columns);
  return error == std::errc() && end == variable.data() + variable.size() ? columns : 0;
}

/// Where the rest of a line that is too long stands: a gap of two blanks begins a column.
std::size_t HangingIndent(std::string_view line, std::size_t width) {
  const std::size_t text = std::min(line.find_first_not_of(' '), line.size());
  std::size_t indent = text + 2;
  for (std::size_t at = text; at + 2 < line.size(); ++at) {
    const bool column = line[at] == ' ' && line[at + 1] == ' ' && line[at + 2] != ' ';
    const std::size_t begins = Columns(line.substr(0, at + 2));
    if (begins > width / 2) break;
    if (column) indent = begins;
  }
  return std::min(indent, width / 2);
}

/// Bytes of the longest beginning of `text` that takes no more than `width` columns; one character at least.
std::size_t Fitting(std::string_view text, std::size_t width) {
  std::size_t fits = 0;
  for (std::size_t at = 0; at <= text.size(); ++at) {
    if (at < text.size() && !StartsCharacter(text[at])) continue;
    if (fits > 0 && Columns(text.substr(0, at)) > width) break;
    fits = at;
  }
  return fits;
}

/// Where the line is broken: at the last blank that leaves something on it, else in the middle of a word.
std::size_t BreakOf(std::string_view line, std::size_t width) {
  const std::size_t fits = Fitting(line, width);
  if (fits == line.size()) return fits;
  const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
  const std::size_t blank = line.rfind(' ', fits);
  return blank == std::string_view::npos || blank <= begin ? fits : blank;
}

/// The pieces of a line, the first of up to `first` columns and the others of up to `rest`.
std::vector<std::string> Pieces(std::string_view line, std::size_t first, std::size_t rest) {
  std::vector<std::string> pieces;
  std::size_t room = first;
  while (Columns(line) > room) {
    const std::size_t end = BreakOf(line, room);
    const std::size_t last = line.find_last_not_of(' ', end == 0 ? 0 : end - 1);
    pieces.emplace_back(line.substr(0, last + 1));
    line.remove_prefix(end);
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    room = rest;
  }
  pieces.emplace_back(line);
  return pieces;
}

void AppendWrapped(std::string_view line, std::size_t width, std::string& text) {
  const std::size_t indent = HangingIndent(line, width);
  std::string before;
  for (const std::string& piece : Pieces(line, width, width - indent)) {
    text.append(before).append(piece);
    before = "\n" + std::string(indent, ' ');
  }
}

TextStyle StyleOf(int stream) {
  winsize size{};
  const bool is_terminal = isatty(stream) == 1;
  const bool says = is_terminal && ioctl(stream, TIOCGWINSZ, &size) == 0;
  return StyleFor({is_terminal, says ? size.ws_col : std::size_t{0}, [](const char* name) {
                     const char* value = std::getenv(name);
                     return std::string(value == nullptr ? "" : value);
                   }});
}

}  // namespace

TextStyle StyleFor(const OutputFacts& facts) {
  if (!facts.is_terminal) return {};
  std::size_t columns = facts.columns > 0 ? facts.columns : NumberIn(facts.environment("COLUMNS"));
  if (columns == 0) columns = kUsualColumns;
  return {std::max(columns, kFewestColumns),
          facts.environment("NO_COLOR").empty() && facts.environment("TERM") != "dumb"};
}

TextStyle OutputStyle(bool wide) {
  TextStyle style = StyleOf(STDOUT_FILENO);
  if (wide) style.width.reset();
  return style;
}

TextStyle ErrorStyle() { return StyleOf(STDERR_FILENO); }

std::string Painted(Paint paint, const std::string& text, const TextStyle& style) {
  if (!style.colours || paint == Paint::kNone) return text;
  const char* code = paint == Paint::kBest ? "\033[1;32m" : paint == Paint::kBad ? "\033[31m" : "\033[33m";
  return code + text + "\033[0m";
}

std::string Wrapped(std::string_view text, const TextStyle& style) {
  if (!style.width) return std::string(text);
  std::string wrapped;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    // A painted line was laid out to fit.
    line.find('\033') == std::string_view::npos ? AppendWrapped(line, *style.width, wrapped)
                                                : static_cast<void>(wrapped.append(line));
    if (end < text.size()) wrapped += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return wrapped;
}

std::vector<std::string> BrokenLines(std::string_view line, std::size_t width) { return Pieces(line, width, width); }

void PrintWrapped(std::string_view text, const TextStyle& style) {
  const std::string wrapped = Wrapped(text, style);
  std::fwrite(wrapped.data(), 1, wrapped.size(), stdout);
}

}  // namespace dflop
