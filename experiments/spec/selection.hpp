// The scenario and the policy that an option of the command line names.
#pragma once

#include <optional>
#include <string>

#include "base/error.hpp"
#include "experiments/spec/experiment.hpp"

namespace dflop {

/// By default the first; of a sweep the first point is taken. InputError naming --scenario when it is not there.
const Scenario& ChooseScenario(const Experiment& experiment, const std::optional<std::string>& wanted);

/// By default the scenario's first.
const PolicySpec& ChoosePolicy(const Scenario& scenario, const std::optional<std::string>& wanted);

/// What the work returns; when it finds nothing feasible, an InputError at the policy's plug-in `key`.
template <typename Work>
auto OrExplain(const PolicySpec& policy, const char* key, Work work) {
  try {
    return work();
  } catch (const Infeasible& reason) {
    throw InputError(policy.file, policy.pointer + (reason.key().empty() ? key : reason.key()), reason.what());
  }
}

}  // namespace dflop
