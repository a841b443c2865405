// What the stage worker that trains does not do, on any backend, each with what to change in the experiment.
#pragma once

#include <string>
#include <vector>

#include "sim/plan/plan_file.hpp"

namespace dflop::training {

/// "" when layout and software of the plan can be executed; `backend` is named in the answer.
std::string WhyCannot(const Plan& plan, const std::string& backend);

/// Bytes of one value's share of weights, gradients and optimizer state.
struct ParameterBytes {
  double trained = 0;
  double frozen = 0;
};
/// [device group]
std::vector<double> BytesOfParameters(const Plan& plan, const ParameterBytes& each);

/// [device group]: what its largest microbatch keeps for the backward at the least, the input of every layer, with
/// `each` bytes a value.
std::vector<double> LeastBytesOfActivations(const Plan& plan, double each);

}  // namespace dflop::training
