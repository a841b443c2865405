// Policies take turns, so executions are compared pair by pair: the same step and repeat.
#include "real_runner/validate/validation.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <tuple>

#include "base/error.hpp"
#include "base/index.hpp"
#include "sim/graph/op_kind.hpp"

namespace dflop {
namespace {

constexpr double kSameTime = 1e-9;  // relative; predictions this close are equal

std::vector<double> TimesOf(const PolicyMeasurement& policy) {
  std::vector<double> times;
  for (const MeasuredExecution& execution : policy.executions) times.push_back(execution.measured_s);
  return times;
}

void CheckPairs(const PolicyMeasurement& a, const PolicyMeasurement& b) {
  DFLOP_CHECK(a.executions.size() == b.executions.size(), "policies take turns");
  for (std::size_t i = 0; i < a.executions.size(); ++i) {
    DFLOP_CHECK(a.executions[i].step == b.executions[i].step && a.executions[i].repeat == b.executions[i].repeat,
                "pairs are the same step and repeat");
  }
}

double PredictedMean(const PolicyMeasurement& policy) { return MeanInterval(policy.predicted_s).mean; }

CostError CostErrorOf(const std::string& name, const std::vector<const OperationSeconds*>& operations) {
  CostError error;
  error.name = name;
  error.operations = operations.size();
  std::vector<double> deviations;
  for (const OperationSeconds* operation : operations) {
    error.predicted_s += operation->predicted_s;
    error.measured_s += operation->measured_s;
    if (operation->predicted_s > 0) {
      deviations.push_back(std::abs(operation->measured_s / operation->predicted_s - 1));
    }
  }
  if (deviations.empty()) return error;
  error.median_error = Median(deviations);
  error.p90_error = Quantile(deviations, 0.9);
  return error;
}

void AddCostErrors(const PolicyMeasurement& policy, PolicyComparison& comparison) {
  std::map<OpKind, std::vector<const OperationSeconds*>> kinds;
  std::map<std::string, std::vector<const OperationSeconds*>> modules;
  for (const OperationSeconds& operation : policy.operations) {
    kinds[operation.kind].push_back(&operation);
    if (!operation.module.empty()) modules[operation.module].push_back(&operation);
  }
  for (const auto& [kind, operations] : kinds) comparison.kinds.push_back(CostErrorOf(KindName(kind), operations));
  for (const auto& [module, operations] : modules) comparison.modules.push_back(CostErrorOf(module, operations));
}

PolicyComparison ComparePolicy(const PolicyMeasurement& policy, const PolicyMeasurement& baseline, double most_lost) {
  CheckPairs(policy, baseline);
  PolicyComparison comparison;
  comparison.policy = policy.policy;
  comparison.predicted_s = PredictedMean(policy);
  comparison.measured_s = MeanInterval(TimesOf(policy));
  comparison.predicted_speedup = PredictedMean(baseline) / comparison.predicted_s;
  comparison.measured_speedup = RatioOfMeans(TimesOf(baseline), TimesOf(policy));
  comparison.executions = policy.executions.size();
  for (const MeasuredExecution& execution : policy.executions) {
    const double error = std::abs(execution.replayed_s / execution.measured_s - 1);
    comparison.mean_replay_error += error / static_cast<double>(policy.executions.size());
    comparison.most_replay_error = std::max(comparison.most_replay_error, error);
    comparison.rejected += execution.rejected;
    comparison.disturbed += execution.lost_share > most_lost ? 1 : 0;
    comparison.most_executor_share = std::max(comparison.most_executor_share, execution.executor_share);
  }
  AddCostErrors(policy, comparison);
  return comparison;
}

/// Names, shortest time first; equal times in the order given.
std::vector<std::string> Order(const std::vector<PolicyMeasurement>& policies, const std::vector<double>& times) {
  std::vector<std::size_t> indices(policies.size());
  std::iota(indices.begin(), indices.end(), std::size_t{0});
  std::stable_sort(indices.begin(), indices.end(), [&](std::size_t a, std::size_t b) { return times[a] < times[b]; });
  std::vector<std::string> names;
  names.reserve(indices.size());
  for (const std::size_t i : indices) names.push_back(policies[i].policy);
  return names;
}

/// −1 when the first is faster, 1 when the second is, 0 when they are equal.
int SignOf(double first, double second) {
  if (std::abs(first - second) <= kSameTime * std::max(first, second)) return 0;
  return first < second ? -1 : 1;
}

Interval Difference(const PolicyMeasurement& a, const PolicyMeasurement& b) {
  CheckPairs(a, b);
  std::vector<double> differences;
  for (std::size_t i = 0; i < a.executions.size(); ++i) {
    differences.push_back(a.executions[i].measured_s - b.executions[i].measured_s);
  }
  return MeanInterval(differences);
}

using OperationName = std::tuple<OpKind, int, int, int>;  // stage, to stage, microbatch

std::map<OperationName, std::vector<const TimelineEvent*>> ByName(const Timeline& timeline) {
  std::map<OperationName, std::vector<const TimelineEvent*>> events;
  for (const TimelineEvent& event : timeline.events) {
    events[{event.kind, event.stage, event.to_stage, event.microbatch}].push_back(&event);
  }
  for (auto& [name, list] : events) {
    std::stable_sort(list.begin(), list.end(),
                     [](const TimelineEvent* a, const TimelineEvent* b) { return a->start < b->start; });
  }
  return events;
}

}  // namespace

ScenarioComparison CompareScenario(const std::string& scenario, const std::string& baseline,
                                   const std::vector<PolicyMeasurement>& policies, double most_lost) {
  const auto found = std::find_if(policies.begin(), policies.end(),
                                  [&](const PolicyMeasurement& policy) { return policy.policy == baseline; });
  DFLOP_CHECK(found != policies.end(), "the baseline is one of the policies");
  ScenarioComparison comparison{scenario, baseline, {}, CompareOrder(policies)};
  for (const PolicyMeasurement& policy : policies) {
    comparison.policies.push_back(ComparePolicy(policy, *found, most_lost));
  }
  return comparison;
}

RankAgreement CompareOrder(const std::vector<PolicyMeasurement>& policies) {
  std::vector<double> predicted;
  std::vector<double> measured;
  for (const PolicyMeasurement& policy : policies) {
    predicted.push_back(PredictedMean(policy));
    measured.push_back(MeanInterval(TimesOf(policy)).mean);
  }
  RankAgreement agreement;
  agreement.predicted = Order(policies, predicted);
  agreement.measured = Order(policies, measured);
  int sum = 0;
  int pairs = 0;
  for (std::size_t a = 0; a < policies.size(); ++a) {
    for (std::size_t b = a + 1; b < policies.size(); ++b) {
      const int expected = SignOf(predicted[a], predicted[b]);
      const int agrees = expected * SignOf(measured[a], measured[b]);
      sum += agrees;
      ++pairs;
      const Interval difference = Difference(policies[a], policies[b]);
      const bool separable = difference.half_width && std::abs(difference.mean) > *difference.half_width;
      const PolicyPair fast_first = expected <= 0 ? PolicyPair(policies[a].policy, policies[b].policy)
                                                  : PolicyPair(policies[b].policy, policies[a].policy);
      if (!separable) {
        agreement.not_separable.push_back(fast_first);
      } else if (agrees < 0) {
        agreement.contradicted.push_back(fast_first);
      }
    }
  }
  if (pairs > 0) agreement.kendall_tau = static_cast<double>(sum) / pairs;
  return agreement;
}

std::vector<OperationSeconds> MatchOperations(const Timeline& predicted, const Timeline& measured,
                                              const std::vector<std::string>& module_of_stage) {
  std::vector<OperationSeconds> matched;
  const auto measured_events = ByName(measured);
  for (const auto& [name, events] : ByName(predicted)) {
    const auto found = measured_events.find(name);
    if (found == measured_events.end() || found->second.size() != events.size()) continue;
    for (std::size_t i = 0; i < events.size(); ++i) {
      const TimelineEvent& expected = *events[i];
      const TimelineEvent& real = *found->second[i];
      const std::string module = expected.group >= 0 ? module_of_stage[Index(expected.stage)] : "";
      matched.push_back(
          {expected.kind, module, (expected.end - expected.start).value(), (real.end - real.start).value()});
    }
  }
  return matched;
}

std::size_t MedianExecution(const std::vector<MeasuredExecution>& executions, std::size_t step) {
  std::vector<std::size_t> of_step;
  for (std::size_t i = 0; i < executions.size(); ++i) {
    if (executions[i].step == step) of_step.push_back(i);
  }
  DFLOP_CHECK(!of_step.empty(), "every step was executed");
  std::stable_sort(of_step.begin(), of_step.end(),
                   [&](std::size_t a, std::size_t b) { return executions[a].measured_s < executions[b].measured_s; });
  return of_step[(of_step.size() - 1) / 2];
}

}  // namespace dflop
