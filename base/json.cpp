// Parse events of the JSON library become our value: repeated keys are refused, which it would let pass, and a long
// array can be handed on element by element. Numbers are written as the shortest text that reads back the same.
#include "base/json.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"

namespace dflop {
namespace {

constexpr std::size_t kMaxDepth = 64;

std::size_t DepthOf(const std::string& pointer) {
  return 1 + static_cast<std::size_t>(std::count(pointer.begin(), pointer.end(), '/'));
}

/// Builds our value from the library's parse events; the library itself would let a repeated key pass.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Builder(std::string_view text, const std::string& file, const ElementStream* stream)
      : text_(text), file_(file), stream_(stream), stream_depth_(stream == nullptr ? 0 : DepthOf(stream->pointer)) {}
  Json Take() { return std::move(root_); }

  bool null() override { return Put(Json()); }
  bool boolean(bool value) override { return Put(Json(value)); }
  bool number_integer(number_integer_t value) override { return Put(Json(std::int64_t{value})); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max())) {
      return Put(Json(static_cast<double>(value)));
    }
    return Put(Json(static_cast<std::int64_t>(value)));
  }
  bool number_float(number_float_t value, const string_t&) override { return Put(Json(value)); }
  bool string(string_t& value) override { return Put(Json(std::move(value))); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return Open(Json::EmptyObject()); }
  bool start_array(std::size_t) override { return Open(Json::EmptyArray()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(string_t& name) override {
    if (!levels_.back().Name(name)) {
      throw InputError(file_, Pointer(), "the key " + JsonQuote(name) + " stands twice in one object");
    }
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    std::string reason = error.what();
    reason = reason.substr(reason.find("] ") + 2);
    if (ClosesAfterComma(position)) reason = "a comma after the last element, right before the closing bracket";
    throw InputError(file_, "", "is no valid JSON at " + Place(position) + ": " + reason);
  }

 private:
  /// A container that is still open.
  struct Level {
    Json value;
    std::string key;                         // of the member that comes next
    std::unordered_set<std::string> seen{};  // of a large object, where a search through all members would be slow

    /// False when the object holds that key already.
    bool Name(const std::string& name) {
      constexpr std::size_t kSmall = 16;
      key = name;
      const Json::Object& members = value.as<Json::Object>();
      if (members.size() < kSmall) return value.find(name) == nullptr;
      if (seen.empty()) {
        for (const Json::Member& member : members) seen.insert(member.key);
      }
      return seen.insert(name).second;
    }
  };

  bool Open(Json container) {
    if (levels_.size() >= kMaxDepth) throw InputError(file_, Pointer(), "is nested deeper than 64 levels");
    levels_.push_back({std::move(container), ""});
    return true;
  }
  bool Close() {
    Json done = std::move(levels_.back().value);
    levels_.pop_back();
    return Put(std::move(done));
  }
  bool Put(Json value) {
    if (levels_.empty()) {
      root_ = std::move(value);
    } else if (Json& top = levels_.back().value; top.is<Json::Object>()) {
      top.as<Json::Object>().push_back({levels_.back().key, std::move(value)});
    } else if (levels_.size() == stream_depth_ && Pointer() == stream_->pointer) {
      stream_->take(value, stream_->pointer + "/" + std::to_string(streamed_));
      ++streamed_;
    } else {
      top.as<Json::Array>().push_back(std::move(value));
    }
    return true;
  }
  /// Of the innermost open container.
  std::string Pointer() const {
    std::string pointer;
    for (std::size_t i = 0; i + 1 < levels_.size(); ++i) {
      const Json& value = levels_[i].value;
      const bool streams = i + 1 == stream_depth_ && pointer == stream_->pointer;
      pointer +=
          "/" + (value.is<Json::Object>() ? levels_[i].key
                                          : std::to_string(streams ? streamed_ : value.as<Json::Array>().size()));
    }
    return pointer;
  }
  bool ClosesAfterComma(std::size_t position) const {
    if (position < 2 || position > text_.size()) return false;
    const char closing = text_[position - 1];
    const std::size_t before = text_.find_last_not_of(" \t\r\n", position - 2);
    return (closing == ']' || closing == '}') && before != std::string_view::npos && text_[before] == ',';
  }
  std::string Place(std::size_t position) const {
    std::size_t line = 1;
    std::size_t column = 1;
    for (std::size_t i = 0; i + 1 < position && i < text_.size(); ++i) {
      column = text_[i] == '\n' ? 1 : column + 1;
      line += text_[i] == '\n' ? 1 : 0;
    }
    return "line " + std::to_string(line) + ", column " + std::to_string(column);
  }

  std::string_view text_;
  const std::string& file_;
  const ElementStream* stream_;
  std::size_t stream_depth_;  // open containers when the next element of the streamed array arrives
  std::size_t streamed_ = 0;
  std::vector<Level> levels_;
  Json root_;
};

Json Parse(std::string_view text, const std::string& file, const ElementStream* stream) {
  Builder builder(text, file, stream);
  nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  return builder.Take();
}

void Indent(std::string& out, int indent, int depth) {
  if (indent > 0) out.append("\n").append(static_cast<std::size_t>(indent) * static_cast<std::size_t>(depth), ' ');
}

void DumpTo(std::string& out, const Json& json, int indent, int depth);

template <typename Range, typename DumpItem>
void DumpItems(std::string& out, const Range& items, char open, char close, int indent, int depth, DumpItem dump_item) {
  out += open;
  bool first = true;
  for (const auto& item : items) {
    if (!first) out += ',';
    first = false;
    Indent(out, indent, depth + 1);
    dump_item(item);
  }
  if (!items.empty()) Indent(out, indent, depth);
  out += close;
}

bool IsFlat(const Json::Array& items) {
  for (const Json& item : items) {
    if (item.is<Json::Array>() || item.is<Json::Object>()) return false;
  }
  return true;
}

void DumpTo(std::string& out, const Json& json, int indent, int depth) {
  if (json.is_null()) {
    out += "null";
  } else if (json.is<bool>()) {
    out += json.as<bool>() ? "true" : "false";
  } else if (json.is<std::int64_t>()) {
    out += std::to_string(json.as<std::int64_t>());
  } else if (json.is<double>()) {
    out += ShortestNumber(json.as<double>());
  } else if (json.is<std::string>()) {
    out += JsonQuote(json.as<std::string>());
  } else if (json.is<Json::Array>()) {
    const int inner = IsFlat(json.as<Json::Array>()) ? 0 : indent;  // a row of figures stays one line
    DumpItems(out, json.as<Json::Array>(), '[', ']', inner, depth,
              [&](const Json& item) { DumpTo(out, item, inner, depth + 1); });
  } else {
    DumpItems(out, json.as<Json::Object>(), '{', '}', indent, depth, [&](const Json::Member& member) {
      out += JsonQuote(member.key) + (indent > 0 ? ": " : ":");
      DumpTo(out, member.value, indent, depth + 1);
    });
  }
}

}  // namespace

Json::Json(bool value) : value_(value) {}
Json::Json(int value) : value_(std::int64_t{value}) {}
Json::Json(std::int64_t value) : value_(value) {}
Json::Json(std::size_t value) : value_(std::int64_t(value)) {}
Json::Json(double value) : value_(value) {}
Json::Json(const char* value) : value_(std::string(value)) {}
Json::Json(std::string value) : value_(std::move(value)) {}
Json::Json(std::string_view value) : value_(std::string(value)) {}
Json::Json(Array value) : value_(std::move(value)) {}
Json::Json(Object value) : value_(std::move(value)) {}

Json Json::EmptyObject() { return Json(Object()); }
Json Json::EmptyArray() { return Json(Array()); }

const char* Json::kind() const {
  constexpr std::array<const char*, 7> kNames = {"null",     "a truth value", "a number", "a number",
                                                 "a string", "an array",      "an object"};
  return kNames[value_.index()];
}

Json& Json::operator[](std::string_view key) {
  if (is_null()) value_ = Object();
  for (Member& member : as<Object>()) {
    if (member.key == key) return member.value;
  }
  as<Object>().push_back({std::string(key), Json()});
  return as<Object>().back().value;
}

const Json* Json::find(std::string_view key) const {
  if (!is<Object>()) return nullptr;
  for (const Member& member : as<Object>()) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

void Json::push_back(Json value) {
  if (is_null()) value_ = Array();
  as<Array>().push_back(std::move(value));
}

bool Json::operator==(const Json& other) const { return value_ == other.value_; }

std::string Json::Dump(int indent) const {
  std::string out;
  DumpTo(out, *this, indent, 0);
  return out;
}

Json ParseJson(std::string_view text, const std::string& file) { return Parse(text, file, nullptr); }

Json ParseJson(std::string_view text, const std::string& file, const ElementStream& stream) {
  return Parse(text, file, &stream);
}

Json ReadJsonFile(const std::string& path) { return ParseJson(ReadFile(path), path); }

void WriteJsonFile(const std::string& path, const Json& document, int indent) {
  WriteFile(path, document.Dump(indent) + "\n");
}

std::string JsonQuote(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.append({'\\', c});
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out.append("\\u00").append({kHex[static_cast<unsigned char>(c) >> 4], kHex[c & 15]});
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string ShortestNumber(double value) {
  DFLOP_CHECK(std::isfinite(value), "a non-finite number never leaves the program");
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  std::string text(buffer.data(), end);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";  // stays a double when read back
  return text;
}

}  // namespace dflop
