// What a planner that judges by simulation asks: how long would a step take under this layout, and would it fit?
#pragma once

#include <limits>
#include <optional>
#include <vector>

#include "policies/layout_planner.hpp"
#include "sim/engine.hpp"
#include "sim/metrics.hpp"

namespace dflop {

/// Share of a GPU's memory that planners leave free: the run's batches are not the planning sample.
inline constexpr double kMemoryReserve = 0.05;

class PlanSimulator {
 public:
  explicit PlanSimulator(const PlanningProblem& problem);

  /// Mean step time and peak memory over the planning batches, scheduled by the batcher that will run. When no layout
  /// of these stages can be faster than `worth_below`, or it does not fit, the time stays 0 and the note says so.
  Candidate Judge(const Layout& layout, Seconds worth_below = Seconds(std::numeric_limits<double>::infinity()));

  /// Memory alone, at the true peak over the planning batches; the time stays 0.
  Candidate Fits(const Layout& layout);

  /// Why the least bad layout judged so far did not fit; "" when none was judged.
  const std::string& least_bad() const { return least_bad_; }
  std::size_t simulated() const { return simulated_; }

 private:
  /// The planning batches under a layout.
  struct Scheduled {
    std::vector<DeviceOrder> orders;
    std::vector<StepWork> work;  ///< per planning batch
  };
  bool StateFits(const Layout& layout, Candidate& candidate);
  /// Nothing when the batcher cannot keep its limits; the candidate then says so.
  std::optional<Scheduled> Schedule(const Layout& layout, Candidate& candidate);
  bool MemoryFits(const Layout& layout, const std::vector<DeviceOrder>& orders, const StepWork& work,
                  Candidate& candidate);

  const PlanningProblem& problem_;
  std::vector<std::vector<SampleShape>> batches_;
  std::unique_ptr<Engine> replay_ = MakeReplayEngine();
  std::string least_bad_;
  Bytes least_peak_{std::numeric_limits<double>::infinity()};
  std::size_t simulated_ = 0;
};

/// The planning samples cut into global batches; too few are repeated in turn, a rest is left out.
std::vector<std::vector<SampleShape>> PlanningBatches(const std::vector<SampleShape>& samples, int global_batch_size);

/// Microbatch counts worth trying for one replica: 2^k and 3·2^k up to global batch / replicas.
std::vector<int> MicrobatchCounts(int global_batch_size, int replicas);

/// Sorts candidates by time, those without one last (stable).
void SortCandidates(std::vector<Candidate>& candidates);

}  // namespace dflop
