// A JSON value that remembers the order of its keys, and its text form.
//
// The JSON library parses; its types stay inside base/json.cpp, because one translation unit with it costs ten seconds.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace dflop {

class Json {
 public:
  struct Member;
  using Array = std::vector<Json>;
  using Object = std::vector<Member>;
  using Value = std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, Array, Object>;

  Json() = default;
  // Implicit on purpose, as in a literal; defined where Member is complete, as clang wants it.
  Json(bool value);              // NOLINT
  Json(int value);               // NOLINT
  Json(std::int64_t value);      // NOLINT
  Json(std::size_t value);       // NOLINT
  Json(double value);            // NOLINT
  Json(const char* value);       // NOLINT
  Json(std::string value);       // NOLINT
  Json(std::string_view value);  // NOLINT
  Json(Array value);             // NOLINT
  Json(Object value);            // NOLINT
  static Json EmptyObject();
  static Json EmptyArray();
  template <typename T>
  static Json ArrayOf(const std::vector<T>& values) {
    return Json(Array(values.begin(), values.end()));
  }

  template <typename T>
  bool is() const {
    return std::holds_alternative<T>(value_);
  }
  template <typename T>
  const T& as() const {
    return std::get<T>(value_);
  }
  template <typename T>
  T& as() {
    return std::get<T>(value_);
  }
  bool is_null() const { return is<std::nullptr_t>(); }
  bool is_number() const { return is<std::int64_t>() || is<double>(); }
  /// The number as a double; the value must be a number.
  double number() const { return is<double>() ? as<double>() : static_cast<double>(as<std::int64_t>()); }
  /// What kind of value this is, as an error message names it: "an object", "a string", …
  const char* kind() const;

  /// The member of that name, inserted at the end if there is none; a null value becomes an object first.
  Json& operator[](std::string_view key);
  /// The member of that name, or nullptr; also nullptr if this is no object.
  const Json* find(std::string_view key) const;
  /// Appends to an array; a null value becomes an array first.
  void push_back(Json value);

  /// Compact text when indent is 0, else one member a line. Numbers round-trip; a non-finite number aborts.
  std::string Dump(int indent = 0) const;

  bool operator==(const Json& other) const;

 private:
  Value value_;
};

struct Json::Member {
  std::string key;
  Json value;
  bool operator==(const Member& other) const = default;
};

/// Parses a whole document. Throws InputError naming `file` and, as the place, line and column, on anything that is no
/// strict JSON: trailing text, NaN, numbers out of range, a key twice in one object, nesting deeper than 64.
Json ParseJson(std::string_view text, const std::string& file);

/// Reads and parses a file; InputError when it cannot be read.
Json ReadJsonFile(const std::string& path);

/// A long array that is handed over element by element, so that a set of a million records never stands in memory as
/// a tree. The array itself stays in the document, empty.
struct ElementStream {
  std::string pointer;  ///< of the array
  std::function<void(const Json& element, const std::string& pointer)> take;
};
Json ParseJson(std::string_view text, const std::string& file, const ElementStream& stream);

/// Writes the document with a final newline, to a temporary name that is then renamed.
void WriteJsonFile(const std::string& path, const Json& document, int indent = 1);

/// Quotes a string as JSON does.
std::string JsonQuote(std::string_view text);

/// Shortest decimal text that reads back as the same double.
std::string ShortestNumber(double value);

}  // namespace dflop
