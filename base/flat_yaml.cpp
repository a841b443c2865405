// Lines first (key, value, indentation), mappings from them afterwards; what a scalar means shows in its look.
#include "base/flat_yaml.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"

namespace dflop {
namespace {

constexpr int kDeepest = 16;

struct Line {
  std::size_t number = 0;
  std::size_t indent = 0;
  std::string_view key;
  std::string_view value;
};

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return text;
}

template <typename Number>
bool Reads(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool IsQuoted(std::string_view value) { return !value.empty() && (value.front() == '"' || value.front() == '\''); }

class Parser {
 public:
  Parser(std::string_view text, const std::string& file) : file_(file) {
    for (std::size_t number = 1; !text.empty(); ++number) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      Take(text.substr(0, end), number);
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }

  Json Parse() {
    if (lines_.empty()) return Json::EmptyObject();
    Json document = Mapping(lines_.front().indent, 1);
    if (next_ < lines_.size()) Fail(lines_[next_].number, "is indented as no mapping around it");
    return document;
  }

 private:
  [[noreturn]] void Fail(std::size_t line, const std::string& what) const {
    throw InputError(file_, std::to_string(line), what);
  }

  void Take(std::string_view text, std::size_t number) {
    const std::string_view content = Trimmed(text);
    if (content.empty() || content.front() == '#' || (content == "---" && lines_.empty())) return;
    if (content.find('\t') != content.npos) Fail(number, "holds a tab");
    const std::size_t colon = content.find(':');
    const bool splits = colon != content.npos && colon > 0 &&
                        (colon + 1 == content.size() || content[colon + 1] == ' ') &&
                        std::string_view("\"'?-[{&*!|>%@`").find(content.front()) == std::string_view::npos;
    if (!splits) Fail(number, "is no \"key: value\"");
    std::string_view value = Trimmed(content.substr(colon + 1));
    const std::size_t comment = value.starts_with('#') ? 0 : value.find(" #");
    if (comment != value.npos && !IsQuoted(value)) value = Trimmed(value.substr(0, comment));
    lines_.push_back({number, text.find_first_not_of(' '), Trimmed(content.substr(0, colon)), value});
  }

  Json Mapping(std::size_t indent, int depth) {
    if (depth > kDeepest) Fail(lines_[next_].number, "is nested too deeply");
    Json mapping = Json::EmptyObject();
    while (next_ < lines_.size() && lines_[next_].indent == indent) {
      const Line& line = lines_[next_++];
      if (mapping.find(line.key) != nullptr) Fail(line.number, JsonQuote(line.key) + " stands twice");
      const bool inner = next_ < lines_.size() && lines_[next_].indent > indent;
      if (inner && !line.value.empty()) Fail(lines_[next_].number, "is indented below a key that has a value");
      mapping[line.key] = inner ? Mapping(lines_[next_].indent, depth + 1) : Scalar(line);
    }
    if (next_ < lines_.size() && lines_[next_].indent > indent) {
      Fail(lines_[next_].number, "is indented as no mapping around it");
    }
    return mapping;
  }

  Json Scalar(const Line& line) const {
    const std::string_view value = line.value;
    if (value.empty() || value == "~" || value == "null") return Json();
    if (value == "true" || value == "false") return Json(value == "true");
    if (IsQuoted(value)) return Quoted(line);
    if (std::int64_t whole = 0; Reads(value, whole)) return Json(whole);
    const bool digits = value.find_first_not_of("0123456789+-.eE") == value.npos;
    if (double number = 0; digits && Reads(value, number)) return Json(number);
    if (std::string_view("[]{}&*!|>%@`-").find(value.front()) != std::string_view::npos) {
      Fail(line.number, JsonQuote(value) + " is no plain value");
    }
    return Json(value);
  }

  Json Quoted(const Line& line) const {
    const std::string_view value = line.value;
    const bool closed = value.size() > 1 && value.back() == value.front();
    const std::string_view inside = closed ? value.substr(1, value.size() - 2) : value;
    if (!closed || inside.find(value.front()) != inside.npos || inside.find('\\') != inside.npos) {
      Fail(line.number, JsonQuote(value) + " is no plain quoted text");
    }
    return Json(inside);
  }

  const std::string& file_;
  std::vector<Line> lines_;
  std::size_t next_ = 0;
};

}  // namespace

Json ParseFlatYaml(std::string_view text, const std::string& file) { return Parser(text, file).Parse(); }

Json ReadFlatYamlFile(const std::string& path) { return ParseFlatYaml(ReadFile(path), path); }

}  // namespace dflop
