// JSON pointers (RFC 6901), read and written; missing keys are made on the way, missing array elements are not.
#include "experiments/spec/sweep.hpp"

#include <charconv>
#include <set>

namespace dflop {
namespace {

std::string Unescape(const std::string& token) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    const bool escaped = token[i] == '~' && i + 1 < token.size();
    out += !escaped ? token[i] : token[++i] == '1' ? '/' : '~';
  }
  return out;
}

std::vector<std::string> Tokens(const std::string& pointer) {
  std::vector<std::string> tokens;
  for (std::size_t begin = 1; begin <= pointer.size();) {
    const std::size_t end = std::min(pointer.find('/', begin), pointer.size());
    tokens.push_back(Unescape(pointer.substr(begin, end - begin)));
    begin = end + 1;
  }
  return tokens;
}

// The element of an array or the member of an object; nullptr when there is none.
Json* Child(Json& parent, const std::string& token) {
  if (parent.is<Json::Object>()) {
    for (Json::Member& member : parent.as<Json::Object>()) {
      if (member.key == token) return &member.value;
    }
  }
  if (parent.is<Json::Array>()) {
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), index);
    const bool number = error == std::errc() && end == token.data() + token.size();
    if (number && index < parent.as<Json::Array>().size()) return &parent.as<Json::Array>()[index];
  }
  return nullptr;
}

// Keys that a scenario leaves out are made: the scenario's reader knows which of them exist.
Json* ChildOrNew(Json& parent, const std::string& token) {
  Json* child = Child(parent, token);
  if (child != nullptr) return child;
  return parent.is<Json::Object>() || parent.is_null() ? &parent[token] : nullptr;
}

// 16 and 16.0 are one value.
std::string Words(const Json& value) { return value.is_number() ? ShortestNumber(value.number()) : value.Dump(); }

// An axis inside another would be written over by it, or write over it, at every point.
void CheckApart(const JsonReader& values, const std::string& pointer, const std::vector<SweepAxis>& others) {
  for (const SweepAxis& other : others) {
    if ((pointer + "/").starts_with(other.pointer + "/") || (other.pointer + "/").starts_with(pointer + "/")) {
      values.Fail("lies in the same place as the axis " + JsonQuote(other.pointer));
    }
  }
}

void CheckPointer(const JsonReader& values, const std::string& pointer) {
  if (!pointer.starts_with("/")) values.Fail("an axis is a JSON pointer into a scenario, e.g. \"/cluster/nodes\"");
  if (pointer == "/name") values.Fail("the name of a scenario cannot be swept");
}

}  // namespace

std::vector<SweepAxis> ReadSweep(const JsonReader& json) {
  constexpr std::size_t kMostPoints = 100'000;
  std::vector<SweepAxis> axes;
  std::size_t points = 1;
  for (const std::string& pointer : json.Keys()) {
    const JsonReader values = json.At(pointer);
    CheckPointer(values, pointer);
    CheckApart(values, pointer, axes);
    if (values.Size() == 0) values.Fail("is empty, an axis wants at least one value");
    std::set<std::string> seen;
    for (const JsonReader& value : values.Elements()) {
      if (!seen.insert(Words(value.json())).second) value.Fail("stands twice on its axis");
    }
    axes.push_back({pointer, values.json().as<Json::Array>()});
    points *= values.Size();
    if (points > kMostPoints) values.Fail("makes more than " + std::to_string(kMostPoints) + " points");
  }
  if (axes.empty()) json.Fail("is empty, at least one axis is wanted");
  return axes;
}

std::vector<std::vector<std::size_t>> SweepPoints(const std::vector<SweepAxis>& axes) {
  std::vector<std::vector<std::size_t>> points = {{}};
  for (const SweepAxis& axis : axes) {
    std::vector<std::vector<std::size_t>> longer;
    for (const std::vector<std::size_t>& point : points) {
      for (std::size_t i = 0; i < axis.values.size(); ++i) {
        longer.push_back(point);
        longer.back().push_back(i);
      }
    }
    points = std::move(longer);
  }
  return points;
}

bool WriteAt(Json& scenario, const std::string& pointer, const Json& value) {
  std::vector<std::string> tokens = Tokens(pointer);
  const std::string last = tokens.back();
  tokens.pop_back();
  Json* parent = &scenario;
  for (const std::string& token : tokens) {
    parent = ChildOrNew(*parent, token);
    if (parent == nullptr) return false;
  }
  Json* place = ChildOrNew(*parent, last);
  if (place != nullptr) *place = value;
  return place != nullptr;
}

}  // namespace dflop
