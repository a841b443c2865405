// A strict view into a JSON document: every complaint names file, JSON pointer, what is wrong and what is allowed.
//
// Usage: read the members of an object one by one, then call AllowOnly with the same names, so that a misspelt key
// never passes in silence.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace dflop {

class JsonReader {
 public:
  /// The document must outlive the reader and every reader taken from it.
  JsonReader(const Json& document, std::string file, std::string pointer = "");

  const Json& json() const { return *value_; }
  const std::string& file() const { return *file_; }
  const std::string& pointer() const { return pointer_; }
  [[noreturn]] void Fail(const std::string& what) const;

  bool IsObject() const { return value_->is<Json::Object>(); }
  bool IsArray() const { return value_->is<Json::Array>(); }
  bool IsString() const { return value_->is<std::string>(); }

  // Scalars. Bounds are inclusive and part of the message. An integer may be written as 32, not as 32.5.
  bool Bool() const;
  std::int64_t Int(std::int64_t min, std::int64_t max) const;
  double Number(double min, double max) const;
  std::string String() const;  ///< not empty
  std::string OneOf(const std::vector<std::string>& allowed) const;

  // Objects.
  bool Has(std::string_view key) const { return value_->find(key) != nullptr; }
  JsonReader At(std::string_view key) const;  ///< fails when missing
  std::optional<JsonReader> Find(std::string_view key) const;
  /// The member unless it is null, an empty string or an empty array: ways in which data say that there is nothing.
  std::optional<JsonReader> FindGiven(std::string_view key) const;
  void AllowOnly(const std::vector<std::string>& keys) const;  ///< fails on any other key
  std::vector<std::string> Keys() const;
  /// Checks "schema" against e.g. "dflop/model/1"; `required` files must carry it, inline objects may.
  void CheckSchema(const std::string& schema, bool required) const;

  bool BoolOr(std::string_view key, bool fallback) const;
  std::int64_t IntOr(std::string_view key, std::int64_t fallback, std::int64_t min, std::int64_t max) const;
  double NumberOr(std::string_view key, double fallback, double min, double max) const;
  std::string StringOr(std::string_view key, const std::string& fallback) const;
  std::string OneOfOr(std::string_view key, const std::string& fallback, const std::vector<std::string>& allowed) const;

  // Arrays.
  std::size_t Size() const;  ///< fails when this is no array
  JsonReader Element(std::size_t index) const;
  std::vector<JsonReader> Elements() const;

 private:
  JsonReader(const Json* value, std::shared_ptr<const std::string> file, std::string pointer);
  const Json* value_;
  std::shared_ptr<const std::string> file_;
  std::string pointer_;
};

/// A key as a JSON pointer spells it: "~" and "/" become "~0" and "~1" (RFC 6901).
std::string EscapePointerKey(std::string_view key);

/// "nearest allowed name" for typos: the entry with the smallest edit distance, or "" when all are far away.
std::string NearestName(const std::string& wanted, const std::vector<std::string>& names);

/// The few names nearest to what was typed, nearest first, however far: for lists too long to print.
std::vector<std::string> NearestNames(const std::string& wanted, std::vector<std::string> names, std::size_t most = 3);

/// "a, b, c" for messages.
std::string JoinNames(const std::vector<std::string>& names);

}  // namespace dflop
