// What a planner that judges by simulation asks: how long would a step take under this layout, and would it fit?
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "policies/api/layout_planner.hpp"
#include "sim/engine/engine.hpp"
#include "sim/measure/metrics.hpp"

namespace dflop {

class PlanSimulator {
 public:
  /// On the planning batches of the problem's sample.
  explicit PlanSimulator(const PlanningProblem& problem);
  PlanSimulator(const PlanningProblem& problem, std::vector<std::vector<SampleShape>> batches);

  /// Mean step time and peak memory over the planning batches, scheduled by the batcher that will run. When it does not
  /// fit, the time stays 0 and the note says so.
  Candidate Judge(const Layout& layout);

  /// One planning batch. When the layout does not fit, or no schedule of these stages can end before `worth_below`, the
  /// time stays 0 and the note says so.
  Candidate JudgeOn(std::size_t batch, const Layout& layout,
                    Seconds worth_below = Seconds(std::numeric_limits<double>::infinity()));

  /// Memory alone, at the true peak over the planning batches; the time stays 0.
  Candidate Fits(const Layout& layout);

  /// Why the least bad layout judged so far did not fit; "" when none was judged.
  const std::string& least_bad() const { return least_bad_; }
  /// Why the pipeline schedule does not exist for the first layout that it refused and memory may hold; "" for none.
  const std::string& refusal() const { return refusal_; }
  /// How many batches were simulated.
  std::size_t simulated() const { return simulated_; }
  /// How many batches were divided by the batcher, simulated or not.
  std::size_t scheduled() const { return scheduled_; }
  const std::vector<std::vector<SampleShape>>& batches() const { return batches_; }

 private:
  /// Planning batches under a layout.
  struct Scheduled {
    std::vector<DeviceOrder> orders;
    std::vector<StepWork> work;                 ///< per planning batch
    std::vector<std::vector<DeviceOrder>> own;  ///< likewise: its orders where they are not those above
    Job JobOf(std::size_t batch, const CostModel& cost, const Layout& layout) const {
      return Job{cost, layout, orders}.With(own[batch]);
    }
  };
  bool StateFits(const Layout& layout, Candidate& candidate);
  /// Batches `first` … `last` − 1. Nothing when the batcher cannot keep its limits; the candidate then says so.
  std::optional<Scheduled> Schedule(const Layout& layout, std::size_t first, std::size_t last, Candidate& candidate);
  Candidate JudgeOver(std::size_t first, std::size_t last, const Layout& layout, Seconds worth_below);
  bool MemoryFits(const Job& job, const StepWork& work, std::span<const ReplicaClass> classes, Candidate& candidate);

  const PlanningProblem& problem_;
  std::vector<std::vector<SampleShape>> batches_;
  std::unique_ptr<Engine> replay_ = MakeReplayEngine();
  std::string least_bad_;
  std::string refusal_;
  Bytes least_peak_{std::numeric_limits<double>::infinity()};
  std::size_t simulated_ = 0;
  std::size_t scheduled_ = 0;
};

/// The planning samples cut into global batches; too few are repeated in turn, a rest is left out.
std::vector<std::vector<SampleShape>> PlanningBatches(const std::vector<SampleShape>& samples, int global_batch_size);

/// Microbatch counts worth trying for one replica: 2^k and 3·2^k up to global batch / replicas.
std::vector<int> MicrobatchCounts(int global_batch_size, int replicas);

}  // namespace dflop
