// What a report shows: the stored result, gathered over seeds, and one timeline per scenario and policy.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "experiments/results/cost_verdict.hpp"
#include "experiments/results/picture.hpp"
#include "experiments/results/planning_figures.hpp"
#include "experiments/results/seed_figures.hpp"
#include "experiments/results/shown_name.hpp"
#include "experiments/results/validation_figures.hpp"
#include "models/model_profile.hpp"
#include "sim/measure/memory_parts.hpp"

namespace dflop {

/// The causes of idle time and the kinds of communication that are the last of them, in the order in which every table
/// and chart shows them.
inline constexpr std::array<const char*, 3> kComputeCauses = {"bubble", "imbalance", "data_parallel_wait"};
inline constexpr std::array<const char*, 4> kCommunicationKinds = {"encoder_llm", "stage", "gradients", "parameters"};
inline constexpr std::size_t kIdleParts = kComputeCauses.size() + kCommunicationKinds.size();

struct StageMemory : MemoryParts {
  std::string module;
  int stage = 0;
};

/// One policy at one point. Means over the seeds, but the step times of every seed are there.
struct PolicyFigures {
  std::string policy;
  std::string instead;     ///< the batch scheduler that stood in for the policy's; empty when none did
  std::string infeasible;  ///< why there are no figures; empty when there are
  SeedFigures seeds;
  double samples_per_s = 0;
  double tokens_per_s = 0;
  double tflops_per_gpu = 0;
  double mfu = 0;
  double idle_fraction = 0;
  std::array<double, kIdleParts> idle{};  ///< causes, then kinds of communication
  double communication = 0;               ///< all kinds
  bool through_hub = false;               ///< with some seed
  double balance_gap = 0;
  double planning_time_s = 0;
  double planning_exposed_s = 0;
  double extrapolated_fraction = 0;
  double peak_memory_bytes = 0;  ///< largest over the seeds
  bool fits = true;              ///< with every seed
  std::string too_large;         ///< when it does not fit: what is too large, where, by how much
  std::vector<StageMemory> memory;
  PlanningFigures planning;
  DrawTimes under_draws;                      ///< of every seed, where the result has them
  std::vector<std::string> changes_training;  ///< what the policy does to the training itself

  std::string shown() const { return ShownName(policy, instead); }
};

/// One scenario at one point of its sweep: what one table compares.
struct PointFigures {
  std::string scenario;
  std::vector<std::pair<std::string, Json>> point;  ///< axis (a JSON pointer) → value; empty without a sweep
  std::vector<PolicyFigures> policies;              ///< in the order of the runs
  std::optional<double> device_memory_bytes;        ///< what one GPU has, where the assumptions say so

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

struct Report {
  std::string name;
  std::string description;
  std::string engine;
  std::vector<std::string> baselines;
  std::vector<PointFigures> points;
  std::vector<std::pair<std::string, Json>> assumptions;  ///< scenario and point → what was assumed
  std::vector<StoredProfile> profiles;                    ///< empty in results that were stored without
  std::vector<StepPicture> pictures;  ///< of the first point of every scenario, where their files are still there
  std::optional<ValidationFigures> validation;  ///< where the plans were executed
  Json inputs;
  Json provenance;
};

/// Reads `folder`/result.json, the timelines that it names and, if there, a validation. Tolerates keys it does not know
/// and timelines that are gone; InputError on what is missing or malformed otherwise.
Report ReadReport(const std::string& folder);

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
