// Prediction against measurement, on plain numbers: what `real_runner validate` reports.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/statistics.hpp"
#include "sim/measure/timeline.hpp"

namespace dflop {

/// One operation of one execution, as predicted and as measured.
struct OperationSeconds {
  OpKind kind = OpKind::kForward;
  std::string module;  ///< that its stage holds: "vision", "llm", "vision + llm"; "" for communication
  double predicted_s = 0;
  double measured_s = 0;
};

/// One execution of one step.
struct MeasuredExecution {
  std::size_t step = 0;
  int repeat = 0;
  double measured_s = 0;
  double replayed_s = 0;      ///< what the simulator makes of the measured times of the operations
  double lost_share = 0;      ///< of the step, to other processes, on the rank that lost most
  double executor_share = 0;  ///< of the step, neither kernel nor message, on the rank where it is largest
  int rejected = 0;           ///< attempts before this one that lost too much
};

struct PolicyMeasurement {
  std::string policy;
  std::vector<double> predicted_s;            ///< [step]
  std::vector<MeasuredExecution> executions;  ///< of all policies the same steps and repeats in the same order
  std::vector<OperationSeconds> operations;   ///< of all executions
};

/// Predicted costs of some operations against what they took.
struct CostError {
  std::string name;  ///< kind of operation, or module
  std::size_t operations = 0;
  double predicted_s = 0;   ///< sum
  double measured_s = 0;    ///< sum
  double median_error = 0;  ///< of |measured/predicted − 1| per operation, of those that are predicted to take time
  double p90_error = 0;     ///< the same, 90th percentile
  double ratio() const { return predicted_s > 0 ? measured_s / predicted_s : 0; }
};

struct PolicyComparison {
  std::string policy;
  double predicted_s = 0;        ///< mean over the steps
  Interval measured_s;           ///< over steps × repeats
  double mean_replay_error = 0;  ///< of |replayed/measured − 1|
  double most_replay_error = 0;
  double predicted_speedup = 1;  ///< over the baseline
  Interval measured_speedup;     ///< paired, step by step and repeat by repeat
  std::vector<CostError> kinds;
  std::vector<CostError> modules;
  std::size_t executions = 0;
  int rejected = 0;   ///< attempts that lost too much to other processes and were run again
  int disturbed = 0;  ///< executions that did so too but were the last attempt, and count
  double most_executor_share = 0;
};

using PolicyPair = std::pair<std::string, std::string>;

/// Whether policies come out of the measurement in the order in which the simulator puts them.
struct RankAgreement {
  std::vector<std::string> predicted;  ///< fastest first
  std::vector<std::string> measured;
  /// Pairs whose measured difference is within its 95 % interval (or has none): no order was measured.
  std::vector<PolicyPair> not_separable;
  std::vector<PolicyPair> contradicted;  ///< predicted faster first, measured slower by more than the interval
  double kendall_tau = 1;                ///< of the means: (pairs in agreement − pairs in conflict) / pairs
};

struct ScenarioComparison {
  std::string scenario;
  std::string baseline;
  std::vector<PolicyComparison> policies;
  RankAgreement ranking;
};

/// `baseline` is one of the policies. `most_lost`: an execution that lost more of its time is a disturbed one.
ScenarioComparison CompareScenario(const std::string& scenario, const std::string& baseline,
                                   const std::vector<PolicyMeasurement>& policies, double most_lost);

RankAgreement CompareOrder(const std::vector<PolicyMeasurement>& policies);

/// Operations of the same kind, stages and microbatch; several of one name (a hub gathers and scatters) by their
/// starts. What only one of the timelines has is left out. `module_of_stage`: for computation.
std::vector<OperationSeconds> MatchOperations(const Timeline& predicted, const Timeline& measured,
                                              const std::vector<std::string>& module_of_stage);

/// The execution of that step whose time is the median (of an even number the shorter of the two in the middle).
std::size_t MedianExecution(const std::vector<MeasuredExecution>& executions, std::size_t step);

}  // namespace dflop
