// What really happens to a step, apart from what is predicted of it: the anomalies of a scenario.
//
// Planners and batch schedulers see predictions only; the engine runs the true costs, and every figure of a result is
// made of them. FLOPs are what they were: an anomaly takes time, it is no work.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "sim/build/step_costs.hpp"
#include "sim/plan/batch_plan.hpp"
#include "sim/step/noise.hpp"

namespace dflop {

/// Some shapes run a kernel that is slower than its neighbours, every time (arXiv 2603.25120, 3.4.3 and 5.3.7): each
/// sample of such a shape adds a delay to the microbatch that holds it. A shape is a range of token counts; which
/// ranges are slow is drawn with the run's seed, so that about `share` of the *samples* are hit.
struct SlowShapes {
  int module = 0;
  double share = 0;                         ///< of the samples
  double delay = 0;                         ///< × the largest duration of a stage in the run's first step, undisturbed
  double range_tokens = 128;                ///< width of a range
  bool per_microbatch = false;              ///< one delay for a microbatch however many slow samples it holds
  bool all_stages = false;                  ///< every stage of the module is delayed; otherwise the first one
  std::map<std::int64_t, double> ranges{};  ///< the share of the scenario's samples that each range has
  std::set<std::int64_t> slow{};            ///< the ranges that a run's seed has drawn
};

/// Forward and backward take 1 + min(limit, per_step·step) times as long: of one module, or of all.
struct Drift {
  int module = -1;  ///< −1: all
  double per_step = 0;
  double limit = 1;
};

/// A GPU, and with it its tensor-parallel group, is slower from a step on, its optimizer included.
struct SlowDevice {
  int gpu = 0;
  double factor = 1;
  int from_step = 0;
};

/// One GPU's NVLinks, or the NIC that it uses, carry `factor` times less from a step on. What its tensor-parallel group
/// exchanges inside operations takes so many times as long.
struct SlowLink {
  int gpu = 0;
  bool nic = true;
  double factor = 1;
  int from_step = 0;
};

/// The NIC that a GPU uses carries `factor` times less in some steps, which the run's seed and the NIC's number draw:
/// the same for every policy.
struct FlappingNic {
  int gpu = 0;
  double share = 0;  ///< of the steps
  double factor = 1;
};

using Anomaly = std::variant<SlowShapes, Drift, SlowDevice, Noise, SlowLink, FlappingNic>;

std::int64_t RangeOf(double tokens, double range_tokens);

/// Multiplies every forward and backward.
void SlowDown(StepCosts& costs, double factor);

/// The anomalies of one run, applied in their order.
class GroundTruth {
 public:
  GroundTruth(const std::vector<Anomaly>& anomalies, std::uint64_t seed);

  /// A step as it was planned.
  struct PlannedStep {
    const CostModel& cost;
    const Layout& layout;
    const BatchPlan& plan;
    const std::vector<SampleShape>& batch;
    const StepWork& work;
    int number;
  };
  void Disturb(const PlannedStep& step, StepCosts& costs);

  /// The machine of a step; nothing where it is what it is said to be. Planners and batch schedulers never see it.
  std::optional<ClusterSpec> MachineOf(const ClusterSpec& cluster, int step) const;

  /// With what the seed has drawn.
  const std::vector<Anomaly>& anomalies() const { return anomalies_; }

 private:
  std::vector<Anomaly> anomalies_;
  std::uint64_t seed_;
  Seconds largest_stage_{-1};  ///< of the first step; negative before it
};

}  // namespace dflop
