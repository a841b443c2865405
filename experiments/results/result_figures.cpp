// Read tolerantly where older results lack a key; means over seeds are sums divided at the end, a peak is the largest.
#include "experiments/results/result_figures.hpp"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <map>

#include "base/error.hpp"
#include "base/json_reader.hpp"
#include "experiments/results/older_result.hpp"
#include "experiments/results/own_file.hpp"

namespace dflop {
namespace {

Json Member(const JsonReader& object, std::string_view key) {
  const auto member = object.Find(key);
  return member ? member->json() : Json();
}

std::string Text(const JsonReader& object, std::string_view key) {
  const auto member = object.Find(key);
  return member && member->json().is<std::string>() ? member->json().as<std::string>() : "";
}

std::vector<std::pair<std::string, Json>> ReadPoint(const JsonReader& run) {
  std::vector<std::pair<std::string, Json>> point;
  const auto axes = run.Find("point");
  if (!axes || !axes->IsObject()) return point;
  for (const std::string& axis : axes->Keys()) point.emplace_back(axis, axes->At(axis).json());
  return point;
}

/// Finds a point among the many of a sweep.
class PointIndex {
 public:
  explicit PointIndex(std::vector<PointFigures>& points) : points_(points) {}

  /// nullptr when there is no such point yet.
  PointFigures* Find(const JsonReader& entry, const char* scenario) {
    const auto found = places_.find(Key(entry.At(scenario).String(), ReadPoint(entry)));
    return found == places_.end() ? nullptr : &points_[found->second];
  }
  PointFigures& FindOrAdd(const JsonReader& run) {
    if (PointFigures* found = Find(run, "scenario")) return *found;
    PointFigures& added = points_.emplace_back();
    added.scenario = run.At("scenario").String();
    added.point = ReadPoint(run);
    places_.emplace(Key(added.scenario, added.point), points_.size() - 1);
    return added;
  }

 private:
  static std::string Key(const std::string& scenario, const std::vector<std::pair<std::string, Json>>& point) {
    Json key(Json::Array{scenario});
    for (const auto& [axis, value] : point) key.push_back(Json(Json::Array{axis, value}));
    return key.Dump();
  }

  std::vector<PointFigures>& points_;
  std::map<std::string, std::size_t> places_;
};

void AddToPoint(const JsonReader& run, PointIndex& points) {
  PointFigures& point = points.FindOrAdd(run);
  const std::string name = run.StringOr("policy", "");
  auto found = std::find_if(point.policies.begin(), point.policies.end(),
                            [&](const PolicyFigures& candidate) { return candidate.policy == name; });
  if (found == point.policies.end()) {
    point.policies.emplace_back().policy = name;
    found = std::prev(point.policies.end());
  }
  found->Add(run);
  if (found->too_large.empty()) found->too_large = Text(run, "too_large");
  if (const auto traffic = run.Find("traffic"); traffic && found->traffic.is_null()) {
    if (traffic->Find("by_link") && traffic->Find("busiest_links")) found->traffic = traffic->json();
  }
  if (const auto planning = run.Find("planning")) found->planning = ReadPlanning(*planning);
}

const Json* Descend(const Json* value, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (value != nullptr) value = value->find(key);
  }
  return value;
}

/// What every scenario assumed, at every point; the size of a device's memory stands there too.
void ReadAssumptions(const JsonReader& result, PointIndex& points, Report& report) {
  const auto scenarios = result.Find("scenarios");
  if (!scenarios) return;
  for (const JsonReader& scenario : scenarios->Elements()) {
    const auto stated = scenario.Find("assumptions");
    if (!stated) continue;
    const PointFigures place{scenario.At("name").String(), ReadPoint(scenario), {}, {}, {}, {}};
    report.assumptions.emplace_back(place.title(), stated->json());
    PointFigures* point = points.Find(scenario, "name");
    if (point == nullptr) continue;
    point->assumptions = stated->json();
    if (const Json* cluster = Descend(&stated->json(), {"cluster"})) point->cluster = *cluster;
    const Json* memory = Descend(&stated->json(), {"cluster", "node", "gpu", "memory_bytes"});
    if (memory != nullptr && memory->is_number()) point->device_memory_bytes = memory->number();
  }
}

void ReadPolicyLines(const JsonReader& result, Report& report) {
  const auto policies = result.Find("policies");
  if (!policies) return;
  for (const JsonReader& policy : policies->Elements()) {
    report.policies.push_back({policy.At("name").String(), Text(policy, "line")});
  }
}

void ReadProfiles(const JsonReader& result, Report& report) {
  const auto profiles = result.Find("model_profiles");
  if (!profiles) return;
  for (const JsonReader& entry : profiles->Elements()) {
    const PointFigures place{entry.At("scenario").String(), ReadPoint(entry), {}, {}, {}, {}};
    report.profiles.push_back({place.title(),
                               static_cast<int>(entry.At("points").Int(1, std::numeric_limits<int>::max())),
                               entry.At("gpu").String(), ReadModelProfile(entry.At("profile"))});
  }
}

void ReadPictures(const JsonReader& result, const std::string& folder, Report& report) {
  const auto pictures = result.Find("pictures");
  if (!pictures) return;
  for (const JsonReader& entry : pictures->Elements()) {
    const std::optional<std::string> path = OwnFile(folder, entry.At("timeline"));
    if (!path) continue;
    StepPicture& picture = report.pictures.emplace_back(ReadPicture(*path));
    picture.scenario = entry.At("scenario").String();
    picture.policy = entry.At("policy").String();
    const auto point = std::find_if(report.points.begin(), report.points.end(), [&](const PointFigures& candidate) {
      return candidate.scenario == picture.scenario;
    });
    const PolicyFigures* policy = point != report.points.end() ? point->Find(picture.policy) : nullptr;
    if (policy != nullptr) picture.instead = policy->instead;
  }
}

Report ReadResultFigures(const JsonReader& result, const std::string& folder) {
  result.CheckSchema("dflop/result/1", true);
  Report report;
  report.name = result.At("experiment").String();
  report.description = Text(result, "description");
  report.engine = Text(result, "engine");
  if (const auto baselines = result.Find("baselines")) {
    for (const JsonReader& name : baselines->Elements()) report.baselines.push_back(name.String());
  }
  ReadPolicyLines(result, report);
  PointIndex points(report.points);
  for (const JsonReader& run : result.At("runs").Elements()) AddToPoint(run, points);
  for (PointFigures& point : report.points) {
    for (PolicyFigures& policy : point.policies) policy.Finish();
  }
  ReadAssumptions(result, points, report);
  ReadProfiles(result, report);
  ReadPictures(result, folder, report);
  report.validation = ReadValidation(folder);
  report.inputs = Member(result, "inputs");
  report.provenance = Member(result, "provenance");
  return report;
}

}  // namespace

std::string PointFigures::title() const {
  std::string text = scenario;
  for (const auto& [axis, value] : point) {
    text += (&axis == &point.front().first ? " · " : ", ") + axis.substr(axis.starts_with("/") ? 1 : 0) + " " +
            Plain(value);
  }
  return text;
}

const PolicyFigures* PointFigures::Find(const std::string& policy) const {
  for (const PolicyFigures& candidate : policies) {
    if (candidate.policy == policy) return &candidate;
  }
  return nullptr;
}

Report ReadReport(const std::string& folder, const std::string& command) {
  const std::string path = folder + "/result.json";
  const Json document = ReadJsonFile(path);
  try {
    return ReadResultFigures(JsonReader(document, path), folder);
  } catch (const InputError& error) {
    throw WithCommandToRemake(error, document, path, command);
  }
}

std::optional<SeedInterval> SpeedupOver(const PolicyFigures* baseline, const PolicyFigures& policy) {
  if (baseline == nullptr || baseline == &policy || baseline->seeds.empty() || policy.seeds.empty()) return {};
  return SpeedupOver(baseline->seeds, policy.seeds);
}

std::string Plain(const Json& value) {
  if (value.is<std::string>()) return value.as<std::string>();
  return value.Dump();
}

}  // namespace dflop
