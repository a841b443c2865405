// What a report shows: the stored result, gathered over seeds, and one timeline per scenario and policy.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "experiments/results/picture.hpp"
#include "experiments/results/planning_figures.hpp"
#include "experiments/results/policy_runs.hpp"
#include "experiments/results/validation_figures.hpp"
#include "models/model_profile.hpp"

namespace dflop {

/// One policy at one point.
struct PolicyFigures : PolicyRuns {
  std::string too_large;  ///< when it does not fit: what is too large, where, by how much
  PlanningFigures planning;
  Json traffic;  ///< `traffic` of the first run (sim/measure/traffic.hpp); null in older results
};

/// One scenario at one point of its sweep: what one table compares.
struct PointFigures {
  std::string scenario;
  std::vector<std::pair<std::string, Json>> point;  ///< axis (a JSON pointer) → value; empty without a sweep
  std::vector<PolicyFigures> policies;              ///< in the order of the runs
  std::optional<double> device_memory_bytes;        ///< what one GPU has, where the assumptions say so
  Json cluster;                                     ///< as assumed; null where the result does not say
  Json assumptions;                                 ///< all of them; null where the result does not say

  std::string title() const;  ///< "scale · cluster/nodes 4, global_batch_size 64"
  const PolicyFigures* Find(const std::string& policy) const;
};

/// The curves of a model that layout rules decided from.
struct StoredProfile {
  std::string place;  ///< title of the first point that they hold at
  int points = 1;     ///< at how many they hold
  std::string gpu;
  ModelProfile profile;
};

/// Points of a sweep with a section and assumptions of their own in the page: browsers give up on a hundred megabytes.
inline constexpr std::size_t kMostDetailedPoints = 200;

/// What a policy is, in a line.
struct PolicyLine {
  std::string policy;
  std::string line;  ///< "layout: …; batches: …; pipeline: …"
};

struct Report {
  std::string name;
  std::string description;
  std::string engine;
  std::vector<std::string> baselines;
  std::vector<PolicyLine> policies;  ///< empty in results that were stored without
  std::vector<PointFigures> points;
  std::vector<std::pair<std::string, Json>> assumptions;  ///< scenario and point → what was assumed
  std::vector<StoredProfile> profiles;                    ///< empty in results that were stored without
  std::vector<StepPicture> pictures;  ///< of the first point of every scenario, where their files are still there
  std::optional<ValidationFigures> validation;  ///< where the plans were executed
  Json inputs;
  Json provenance;
};

/// Reads `folder`/result.json, the timelines that it names and, if there, a validation. Tolerates keys it does not know
/// and timelines that are gone; InputError on what is missing or malformed otherwise,
/// with the command that makes the result again: the given one, otherwise what it says of itself.
Report ReadReport(const std::string& folder, const std::string& command = "");

/// The ends of a 95 % interval; both are the mean when there is one seed only.
inline double Low(const Interval& interval) { return interval.mean - interval.half_width.value_or(0); }
inline double High(const Interval& interval) { return interval.mean + interval.half_width.value_or(0); }

/// Mean step time and how much faster it is than a baseline's, both with 95 % intervals.
inline SeedInterval StepTime(const PolicyFigures& policy) { return StepTime(policy.seeds); }
/// nullopt when either has no figures or they are the same policy.
std::optional<SeedInterval> SpeedupOver(const PolicyFigures* baseline, const PolicyFigures& policy);

/// A JSON value as a table cell shows it.
std::string Plain(const Json& value);

}  // namespace dflop
