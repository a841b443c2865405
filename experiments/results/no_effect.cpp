// Runs are compared as text without what differs anyhow: the wall clock, the place on the axis, a planner's thoughts.
#include "experiments/results/no_effect.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "experiments/results/figure_fields.hpp"
#include "experiments/results/idle_software.hpp"
#include "experiments/results/idle_words.hpp"
#include "experiments/results/whole_run_inputs.hpp"

namespace dflop {
namespace {

// What a run says apart from its place on the axis, from the wall clock, and from what a planner thought beforehand.
std::string FiguresOf(const Json& run) {
  Json figures = Json::EmptyObject();
  for (const Json::Member& member : run.as<Json::Object>()) {
    const bool apart = member.key == "metrics" || member.key == "point" || member.key == "planning";
    if (!apart) figures[member.key] = member.value;
  }
  if (const Json* metrics = run.find("metrics")) {
    for (const Json::Member& metric : metrics->as<Json::Object>()) {
      if (!IsWallClock(metric.key)) figures["metrics"][metric.key] = metric.value;
    }
  }
  return figures.Dump();
}

// The runs that differ in the value of this axis alone share a key.
std::string Key(const Json& run, const std::string& axis) {
  Json key = Json::EmptyArray();
  for (const char* name : {"scenario", "policy", "seed"}) {
    const Json* value = run.find(name);
    key.push_back(value == nullptr ? Json() : *value);
  }
  for (const Json::Member& value : run.find("point")->as<Json::Object>()) {
    if (value.key != axis) key.push_back(value.value);
  }
  return key.Dump();
}

bool HasEffect(const std::string& axis, const Json::Array& runs) {
  std::map<std::string, std::set<std::string>> figures;
  for (const Json& run : runs) figures[Key(run, axis)].insert(FiguresOf(run));
  return std::any_of(figures.begin(), figures.end(), [](const auto& entry) { return entry.second.size() > 1; });
}

bool HasSeveralValues(const std::string& axis, const Experiment& experiment) {
  std::set<std::string> values;
  for (const Point& point : experiment.points) values.insert(point.values.find(axis)->Dump());
  return values.size() > 1;
}

}  // namespace

std::vector<std::string> InputsWithoutEffect(const Experiment& experiment, const Json& runs) {
  std::vector<std::string> lines;
  if (experiment.policies_replaced) {
    lines.push_back(experiment.file + ":/policies: has no effect: every scenario has policies of its own");
  }
  for (std::string& line : SoftwareWithoutEffect(experiment, runs)) lines.push_back(std::move(line));
  for (std::string& line : WordsWithoutEffect(experiment)) lines.push_back(std::move(line));
  for (std::string& line : WholeRunInputs(experiment, runs)) lines.push_back(std::move(line));
  if (!experiment.has_sweep) return lines;
  for (const Json::Member& axis : experiment.points.front().values.as<Json::Object>()) {
    if (!HasSeveralValues(axis.key, experiment) || HasEffect(axis.key, runs.as<Json::Array>())) continue;
    lines.push_back(experiment.file + ":/sweep/" + EscapePointerKey(axis.key) +
                    ": has no effect: no figure differs along this axis");
  }
  return lines;
}

}  // namespace dflop
