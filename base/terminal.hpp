// What standard output is: a terminal of some width, which may show colours, or a pipe.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dflop {

/// How a text for people may be laid out.
struct TextStyle {
  std::optional<std::size_t> width{};  ///< columns that no line passes; nullopt: as long as it likes, as in a pipe
  bool colours = false;
};

/// What decides on the style, as the system says it.
struct OutputFacts {
  bool is_terminal = false;
  std::size_t columns = 0;  ///< that the terminal says it has, 0 where it does not say
  /// The value of an environment variable, "" where it is not set.
  std::function<std::string(const char* name)> environment;
};

/// A pipe gets everything, without colours. A terminal's width is what it says, else COLUMNS, else 80; it has colours
/// unless NO_COLOR is set to anything (no-color.org) or TERM is "dumb".
TextStyle StyleFor(const OutputFacts& facts);

/// Of standard output. `wide`: somebody asked for every column, however narrow the terminal.
TextStyle OutputStyle(bool wide = false);
/// Of the stream for warnings and progress.
TextStyle ErrorStyle();

enum class Paint { kNone, kBest, kBad, kWarning };

/// Best: bold green, bad: red, warning: yellow. The text as it is without colours, or without paint.
std::string Painted(Paint paint, const std::string& text, const TextStyle& style);

/// Lines longer than the style's width are broken at blanks, and go on below the last column of the line that begins in
/// its first half ("  name   what it is"), else two columns further in. Words longer than a line are cut. No line may
/// hold colours that would be broken.
std::string Wrapped(std::string_view text, const TextStyle& style);

/// One line broken in the same way, without any indent: what a narrow cell holds. `width`: one at least.
std::vector<std::string> BrokenLines(std::string_view line, std::size_t width);

/// Wrapped, to standard output.
void PrintWrapped(std::string_view text, const TextStyle& style = OutputStyle());

}  // namespace dflop
