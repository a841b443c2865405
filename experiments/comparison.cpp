#include "experiments/comparison.hpp"

#include <algorithm>
#include <limits>
#include <map>

#include "base/text.hpp"

namespace dflop {
namespace {

std::string RunName(const JsonReader& run) {
  std::string name = "scenario " + JsonQuote(run.At("scenario").String());
  if (const auto point = run.Find("point")) name += ", point " + point->json().Dump();
  name += ", policy " + JsonQuote(run.At("policy").String());
  if (const auto seed = run.Find("seed")) name += ", seed " + seed->json().Dump();
  return name;
}

// Paths of the leaves in which two values differ, with both figures.
void Differences(const std::string& path, const Json* stored, const Json* fresh, std::vector<std::string>& found) {
  if (stored != nullptr && fresh != nullptr && *stored == *fresh) return;
  const bool objects = stored != nullptr && fresh != nullptr && stored->is<Json::Object>() && fresh->is<Json::Object>();
  if (!objects) {
    const auto text = [](const Json* value) {
      if (value == nullptr) return std::string("nothing");
      return value->is<Json::Array>() ? "a list of " + std::to_string(value->as<Json::Array>().size()) : value->Dump();
    };
    found.push_back(path + " " + text(stored) + " -> " + text(fresh));
    return;
  }
  for (const Json::Member& member : stored->as<Json::Object>()) {
    if (!IsWallClock(member.key)) Differences(path + "/" + member.key, &member.value, fresh->find(member.key), found);
  }
  for (const Json::Member& member : fresh->as<Json::Object>()) {
    if (!IsWallClock(member.key) && stored->find(member.key) == nullptr) {
      Differences(path + "/" + member.key, nullptr, &member.value, found);
    }
  }
}

double MeanTime(const JsonReader& run) {
  return run.At("metrics").At("iteration_time_s").At("mean").Number(0, std::numeric_limits<double>::max());
}

std::string Slower(double stored, double fresh) {
  return Format("%.6g s/step -> %.6g s/step (%+.3f %%)", stored, fresh, 100 * (fresh / stored - 1));
}

// "" when the run is no worse than the stored one.
std::string WhyWorse(const JsonReader& stored, const JsonReader& fresh, double tolerance) {
  if (stored.Has("infeasible")) return "";
  if (fresh.Has("infeasible")) return "became infeasible: " + fresh.At("infeasible").String();
  const double before = MeanTime(stored);
  const double after = MeanTime(fresh);
  if (after > before * (1 + tolerance)) return Slower(before, after);
  const bool fitted = stored.At("metrics").At("fits").Bool();
  if (fitted && !fresh.At("metrics").At("fits").Bool()) return "does not fit into memory any more";
  return "";
}

void CompareRun(const JsonReader& stored, const JsonReader& fresh, double tolerance, Comparison& comparison) {
  const std::string name = RunName(stored);
  const std::string worse = WhyWorse(stored, fresh, tolerance);
  if (!worse.empty()) comparison.regressions.push_back(name + ": " + worse);
  std::vector<std::string> differences;
  Differences("", &stored.json(), &fresh.json(), differences);
  if (differences.empty()) return;
  std::string text = name + ":";
  if (worse.empty() && stored.Has("metrics") && fresh.Has("metrics")) {
    text += " " + Slower(MeanTime(stored), MeanTime(fresh));
  }
  for (const std::string& difference : differences) text += "\n    " + difference;
  comparison.changes.push_back(std::move(text));
}

}  // namespace

bool IsWallClock(const std::string& metric) { return metric == "planning_time_s" || metric == "planning_exposed_s"; }

Comparison CompareResults(const JsonReader& stored, const JsonReader& fresh, double tolerance) {
  std::map<std::string, JsonReader> by_name;
  for (const JsonReader& run : fresh.At("runs").Elements()) by_name.emplace(RunName(run), run);
  Comparison comparison;
  for (const JsonReader& run : stored.At("runs").Elements()) {
    ++comparison.runs;
    auto found = by_name.find(RunName(run));
    if (found == by_name.end()) {
      // An infeasible entry stands for all seeds, so it carries none.
      const auto same_unit = std::find_if(by_name.begin(), by_name.end(), [&](const auto& entry) {
        return entry.second.Has("infeasible") && RunName(run).starts_with(entry.first + ", seed ");
      });
      comparison.regressions.push_back(RunName(run) +
                                       (same_unit == by_name.end()
                                            ? ": is missing"
                                            : ": became infeasible: " + same_unit->second.At("infeasible").String()));
      continue;
    }
    CompareRun(run, found->second, tolerance, comparison);
    by_name.erase(found);
  }
  for (const auto& [name, run] : by_name) comparison.changes.push_back(name + ": is new");
  return comparison;
}

}  // namespace dflop
