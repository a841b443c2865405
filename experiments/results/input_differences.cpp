// Assumptions that differ alike in several places are told once.
#include "experiments/results/input_differences.hpp"

#include <algorithm>
#include <map>

#include "experiments/results/result_rows.hpp"

namespace dflop {
namespace {

std::optional<Json> Copy(const Json* value) { return value == nullptr ? std::nullopt : std::optional<Json>(*value); }

/// Calls `found` for every leaf in which the two differ; an array of another length is one.
class LeafDifferences {
 public:
  using Found = std::function<void(const std::string& pointer, const Json* a, const Json* b)>;
  explicit LeafDifferences(Found found) : found_(std::move(found)) {}

  void Compare(const std::string& pointer, const Json* a, const Json* b) const {
    if (a == nullptr || b == nullptr) return found_(pointer, a, b);
    if (a->is<Json::Object>() && b->is<Json::Object>()) return CompareMembers(pointer, *a, *b);
    if (a->is<Json::Array>() && b->is<Json::Array>()) {
      const Json::Array& x = a->as<Json::Array>();
      const Json::Array& y = b->as<Json::Array>();
      if (x.size() == y.size()) {
        for (std::size_t i = 0; i < x.size(); ++i) Compare(pointer + "/" + std::to_string(i), &x[i], &y[i]);
        return;
      }
    }
    if (!(*a == *b)) found_(pointer, a, b);
  }

 private:
  void CompareMembers(const std::string& pointer, const Json& a, const Json& b) const {
    for (const Json::Member& member : a.as<Json::Object>()) {
      Compare(pointer + "/" + EscapePointerKey(member.key), &member.value, b.find(member.key));
    }
    for (const Json::Member& member : b.as<Json::Object>()) {
      if (a.find(member.key) == nullptr) found_(pointer + "/" + EscapePointerKey(member.key), nullptr, &member.value);
    }
  }

  Found found_;
};

void AddKeys(const Json* a, const Json* b, const char* kind, const std::vector<std::string>& keys,
             std::vector<InputDifference>& differences) {
  for (const std::string& key : keys) {
    const Json* in_a = a == nullptr ? nullptr : a->find(key);
    const Json* in_b = b == nullptr ? nullptr : b->find(key);
    if (in_a == nullptr && in_b == nullptr) continue;
    if (in_a != nullptr && in_b != nullptr && *in_a == *in_b) continue;
    differences.push_back({kind, key, {}, Copy(in_a), Copy(in_b)});
  }
}

/// The assumptions of every place, by its key; the first of equal keys.
std::map<std::string, JsonReader> AssumptionsByPlace(const JsonReader& result, const PlaceKey& key) {
  std::map<std::string, JsonReader> places;
  const auto scenarios = result.Find("scenarios");
  if (!scenarios) return places;
  for (const JsonReader& scenario : scenarios->Elements()) {
    if (scenario.Has("assumptions")) {
      places.emplace(key(scenario.At("name").String(), PointInWords(scenario)), scenario);
    }
  }
  return places;
}

std::string PlaceInWords(const JsonReader& scenario) {
  const std::string point = PointInWords(scenario);
  return scenario.At("name").String() + (point.empty() ? "" : " at " + point);
}

void AddAssumptions(const JsonReader& a, const JsonReader& b, const PlaceKey& key_in_a, const PlaceKey& key_in_b,
                    std::vector<InputDifference>& differences) {
  const std::map<std::string, JsonReader> in_a = AssumptionsByPlace(a, key_in_a);
  const std::map<std::string, JsonReader> in_b = AssumptionsByPlace(b, key_in_b);
  const std::size_t begin = differences.size();
  for (const auto& [key, place] : in_a) {
    const auto other = in_b.find(key);
    if (other == in_b.end()) continue;
    const std::string words = PlaceInWords(place);
    const LeafDifferences leaves([&](const std::string& pointer, const Json* x, const Json* y) {
      InputDifference one{"assumptions", pointer, {words}, Copy(x), Copy(y)};
      const auto known =
          std::find_if(differences.begin() + static_cast<std::ptrdiff_t>(begin), differences.end(),
                       [&](const InputDifference& d) { return d.key == one.key && d.a == one.a && d.b == one.b; });
      if (known == differences.end()) {
        differences.push_back(std::move(one));
      } else {
        known->places.push_back(words);
      }
    });
    leaves.Compare("", &place.At("assumptions").json(), &other->second.At("assumptions").json());
  }
}

bool HasValue(const Json& object, const Json& value) {
  const Json::Object& members = object.as<Json::Object>();
  return std::any_of(members.begin(), members.end(), [&](const Json::Member& member) { return member.value == value; });
}

void AddFiles(const Json* a, const Json* b, std::vector<InputDifference>& differences) {
  if (a == nullptr || b == nullptr || !a->is<Json::Object>() || !b->is<Json::Object>()) return;
  for (const Json::Member& file : a->as<Json::Object>()) {
    const Json* other = b->find(file.key);
    if (other != nullptr ? *other == file.value : HasValue(*b, file.value)) continue;
    differences.push_back({"inputs", file.key, {}, file.value, Copy(other)});
  }
  for (const Json::Member& file : b->as<Json::Object>()) {
    if (a->find(file.key) == nullptr && !HasValue(*a, file.value)) {
      differences.push_back({"inputs", file.key, {}, std::nullopt, file.value});
    }
  }
}

}  // namespace

std::vector<InputDifference> FindInputDifferences(const JsonReader& a, const JsonReader& b, const PlaceKey& key_in_a,
                                                  const PlaceKey& key_in_b) {
  std::vector<InputDifference> differences;
  AddKeys(&a.json(), &b.json(), "experiment", {"experiment", "engine", "seeds", "steps", "baselines"}, differences);
  AddAssumptions(a, b, key_in_a, key_in_b, differences);
  AddFiles(a.json().find("inputs"), b.json().find("inputs"), differences);
  AddKeys(a.json().find("provenance"), b.json().find("provenance"), "provenance",
          {"version", "git_commit", "git_dirty", "compiler", "build_type", "libraries"}, differences);
  return differences;
}

}  // namespace dflop
