#include "experiments/results/planning_figures.hpp"

#include <algorithm>
#include <limits>

namespace dflop {
namespace {

constexpr double kMost = 1e18;  // of any unit

std::string TextOf(const JsonReader& object, std::string_view key) {
  const auto member = object.Find(key);
  return member && member->IsString() ? member->json().as<std::string>() : "";
}

Json ToJson(const Candidate& candidate) {
  Json json;
  json["layout"] = candidate.name;
  if (candidate.predicted > Seconds(0)) json["predicted_s"] = candidate.predicted.value();
  if (candidate.peak_memory > Bytes(0)) json["peak_memory_bytes"] = candidate.peak_memory.value();
  if (!candidate.note.empty()) json["note"] = candidate.note;
  return json;
}

Candidate ReadCandidate(const JsonReader& json) {
  Candidate candidate;
  candidate.name = json.StringOr("layout", "");
  candidate.predicted = Seconds(json.NumberOr("predicted_s", 0, 0, kMost));
  candidate.peak_memory = Bytes(json.NumberOr("peak_memory_bytes", 0, 0, kMost));
  candidate.note = TextOf(json, "note");
  return candidate;
}

}  // namespace

Json PlanningToJson(const LayoutDecision& decision) {
  constexpr std::size_t kKept = 10;
  Json json;
  json["reason"] = decision.reason;
  json["considered"] = decision.candidates.size();
  json["candidates"] = Json::EmptyArray();
  for (std::size_t i = 0; i < std::min(kKept, decision.candidates.size()); ++i) {
    json["candidates"].push_back(ToJson(decision.candidates[i]));
  }
  return json;
}

PlanningFigures ReadPlanning(const JsonReader& planning) {
  PlanningFigures figures;
  figures.reason = TextOf(planning, "reason");
  figures.considered = static_cast<int>(planning.IntOr("considered", 0, 0, std::numeric_limits<int>::max()));
  const auto candidates = planning.Find("candidates");
  if (!candidates) return figures;
  for (const JsonReader& candidate : candidates->Elements()) figures.candidates.push_back(ReadCandidate(candidate));
  return figures;
}

}  // namespace dflop
