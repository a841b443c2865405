// Complaints and their hints: a misspelt name is held against the allowed ones by edit distance (Levenshtein).
#include "base/json_reader.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/error.hpp"

namespace dflop {
namespace {

std::string Range(const std::string& min, const std::string& max) { return "from " + min + " to " + max; }

std::string Plain(double value) {
  std::string text = ShortestNumber(value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

/// The value as an integer, compared as such: a double next to 2^63 would round past either bound. Nothing where it is
/// too large for one; −2^63 as a double is what the parser makes of something below it.
std::optional<std::int64_t> WholeNumber(const Json& value) {
  if (value.is<std::int64_t>()) return value.as<std::int64_t>();
  constexpr double kBeyond = 9223372036854775808.0;  // 2^63, the first that no std::int64_t holds
  const double number = value.as<double>();
  if (number <= -kBeyond || number >= kBeyond) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

std::size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

JsonReader::JsonReader(const Json& document, std::string file, std::string pointer)
    : value_(&document), file_(std::make_shared<const std::string>(std::move(file))), pointer_(std::move(pointer)) {}

JsonReader::JsonReader(const Json* value, std::shared_ptr<const std::string> file, std::string pointer)
    : value_(value), file_(std::move(file)), pointer_(std::move(pointer)) {}

void JsonReader::Fail(const std::string& what) const { throw InputError(*file_, pointer_, what); }

bool JsonReader::Bool() const {
  if (!value_->is<bool>()) Fail(std::string("is ") + value_->kind() + ", true or false is wanted");
  return value_->as<bool>();
}

std::int64_t JsonReader::Int(std::int64_t min, std::int64_t max) const {
  const std::string range = Range(std::to_string(min), std::to_string(max));
  if (!value_->is_number()) Fail(std::string("is ") + value_->kind() + ", a whole number " + range + " is wanted");
  const double number = value_->number();
  if (std::floor(number) != number) Fail("is " + Plain(number) + ", a whole number " + range + " is wanted");
  const std::optional<std::int64_t> whole = WholeNumber(*value_);
  if (!whole) Fail("is " + Plain(number) + ", allowed is " + range);
  if (*whole < min || *whole > max) Fail("is " + std::to_string(*whole) + ", allowed is " + range);
  return *whole;
}

double JsonReader::Number(double min, double max) const {
  const std::string range = Range(Plain(min), Plain(max));
  if (!value_->is_number()) Fail(std::string("is ") + value_->kind() + ", a number " + range + " is wanted");
  const double number = value_->number();
  if (!(number >= min && number <= max)) Fail("is " + Plain(number) + ", allowed is " + range);
  return number;
}

std::string JsonReader::String() const {
  if (!IsString()) Fail(std::string("is ") + value_->kind() + ", a string is wanted");
  if (value_->as<std::string>().empty()) Fail("is an empty string");
  return value_->as<std::string>();
}

std::string JsonReader::OneOf(const std::vector<std::string>& allowed) const {
  const std::string name = String();
  if (std::find(allowed.begin(), allowed.end(), name) == allowed.end()) {
    const std::string nearest = NearestName(name, allowed);
    Fail("is " + JsonQuote(name) + ", allowed: " + JoinNames(allowed) +
         (nearest.empty() ? "" : " (did you mean " + JsonQuote(nearest) + "?)"));
  }
  return name;
}

JsonReader JsonReader::At(std::string_view key) const {
  if (!IsObject()) Fail(std::string("is ") + value_->kind() + ", an object is wanted");
  const Json* member = value_->find(key);
  if (member == nullptr) Fail("lacks the key " + JsonQuote(key));
  return {member, file_, pointer_ + "/" + EscapePointerKey(key)};
}

std::optional<JsonReader> JsonReader::Find(std::string_view key) const {
  if (!IsObject()) Fail(std::string("is ") + value_->kind() + ", an object is wanted");
  if (!Has(key)) return std::nullopt;
  return At(key);
}

std::optional<JsonReader> JsonReader::FindGiven(std::string_view key) const {
  auto member = Find(key);
  if (!member || member->json().is_null()) return std::nullopt;
  if (member->IsString() && member->json().as<std::string>().empty()) return std::nullopt;
  if (member->IsArray() && member->Size() == 0) return std::nullopt;
  return member;
}

void JsonReader::AllowOnly(const std::vector<std::string>& keys) const {
  for (const std::string& key : Keys()) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    const std::string nearest = NearestName(key, keys);
    At(key).Fail("is an unknown key, allowed: " + JoinNames(keys) +
                 (nearest.empty() ? "" : " (did you mean " + JsonQuote(nearest) + "?)"));
  }
}

std::vector<std::string> JsonReader::Keys() const {
  if (!IsObject()) Fail(std::string("is ") + value_->kind() + ", an object is wanted");
  std::vector<std::string> keys;
  for (const Json::Member& member : value_->as<Json::Object>()) keys.push_back(member.key);
  return keys;
}

void JsonReader::CheckSchema(const std::string& schema, bool required) const {
  if (!required && !Find("schema")) return;
  const JsonReader found = At("schema");
  if (found.String() != schema) {
    found.Fail("is " + JsonQuote(found.String()) + ", this program reads " + JsonQuote(schema));
  }
}

bool JsonReader::BoolOr(std::string_view key, bool fallback) const {
  const auto member = Find(key);
  return member ? member->Bool() : fallback;
}

std::int64_t JsonReader::IntOr(std::string_view key, std::int64_t fallback, std::int64_t min, std::int64_t max) const {
  const auto member = Find(key);
  return member ? member->Int(min, max) : fallback;
}

double JsonReader::NumberOr(std::string_view key, double fallback, double min, double max) const {
  const auto member = Find(key);
  return member ? member->Number(min, max) : fallback;
}

std::string JsonReader::StringOr(std::string_view key, const std::string& fallback) const {
  const auto member = Find(key);
  return member ? member->String() : fallback;
}

std::string JsonReader::OneOfOr(std::string_view key, const std::string& fallback,
                                const std::vector<std::string>& allowed) const {
  const auto member = Find(key);
  return member ? member->OneOf(allowed) : fallback;
}

std::size_t JsonReader::Size() const {
  if (!IsArray()) Fail(std::string("is ") + value_->kind() + ", an array is wanted");
  return value_->as<Json::Array>().size();
}

JsonReader JsonReader::Element(std::size_t index) const {
  if (index >= Size()) Fail("has " + std::to_string(Size()) + " elements, one more is wanted");
  return {&value_->as<Json::Array>()[index], file_, pointer_ + "/" + std::to_string(index)};
}

std::vector<JsonReader> JsonReader::Elements() const {
  std::vector<JsonReader> elements;
  const std::size_t size = Size();
  elements.reserve(size);
  for (std::size_t i = 0; i < size; ++i) elements.push_back(Element(i));
  return elements;
}

std::string EscapePointerKey(std::string_view key) {
  std::string out;
  for (const char c : key) out += c == '~' ? std::string("~0") : c == '/' ? std::string("~1") : std::string(1, c);
  return out;
}

std::string NearestName(const std::string& wanted, const std::vector<std::string>& names) {
  std::string nearest;
  std::size_t best = wanted.size() / 3 + 2;  // further away, a hint misleads
  for (const std::string& name : names) {
    const std::size_t distance = EditDistance(wanted, name);
    if (distance < best) best = distance, nearest = name;
  }
  return nearest;
}

std::vector<std::string> NearestNames(const std::string& wanted, std::vector<std::string> names, std::size_t most) {
  // A name that holds what was typed is nearer than any typing error.
  const auto distance = [&](const std::string& name) {
    const bool holds = !wanted.empty() && name.find(wanted) != std::string::npos;
    return std::pair(!holds, holds ? name.size() : EditDistance(wanted, name));
  };
  std::stable_sort(names.begin(), names.end(),
                   [&](const std::string& a, const std::string& b) { return distance(a) < distance(b); });
  if (names.size() > most) names.resize(most);
  return names;
}

std::string JoinNames(const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ", ") + name;
  return joined;
}

}  // namespace dflop
