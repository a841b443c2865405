// Interface of layout planners: the parallel degrees of every module, once per job.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "policies/api/batch_scheduler.hpp"
#include "policies/api/pipeline_schedule.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

/// Share of a GPU's memory that planners leave free: the run's batches are not the planning sample.
inline constexpr double kMemoryReserve = 0.05;

struct PlanningProblem {
  const CostModel& cost;
  int global_batch_size;
  const std::vector<SampleShape>& samples;  ///< the planning sample, never a batch of the run
  BatchScheduler& batcher;                  ///< the one that will run
  const PipelineSchedule& schedule;
  std::uint64_t seed;
  /// Told how far a long search is, in units of its own; may be empty.
  std::function<void(std::size_t done, std::size_t total)> progress{};

  /// The same question about another cost model, which must outlive it.
  PlanningProblem With(const CostModel& other) const {
    return {other, global_batch_size, samples, batcher, schedule, seed, progress};
  }
};

struct Candidate {
  std::string name;
  Seconds predicted{0};  ///< step time as this planner predicts it; 0 when it was not worked out
  Bytes peak_memory{0};
  bool fits = true;
  std::string note;  ///< why it was dropped, "" otherwise
};

struct LayoutDecision {
  Layout layout;
  Seconds predicted{0};
  std::vector<Candidate> candidates;        ///< best first; what was dropped comes last
  std::string reason;                       ///< why this one, in a sentence
  std::optional<SoftwareStack> software{};  ///< where the planner chose another one than the problem's
};

class LayoutPlanner {
 public:
  virtual ~LayoutPlanner() = default;
  /// Throws Infeasible when nothing fits: which memory term of the least bad layout is too large, and by how much.
  /// Deterministic in the problem.
  virtual LayoutDecision Plan(const PlanningProblem& problem) const = 0;
};

}  // namespace dflop
