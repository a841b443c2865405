// The whole model that the workers train, forward and backward in float64: sample after sample and tile after
// tile, in plain loops, with every weight in one place.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sim/plan/plan_file.hpp"
#include "tests/real_runner/layer_reference.hpp"

namespace dflop::reference {

/// By the worker's names (real_runner/training/parameter_list.hpp); a tied head is the embedding.
using Tensors = std::map<std::string, Values>;

struct StepResult {
  double loss = 0;
  Tensors gradients;  ///< of every tensor, frozen or not
};

/// One step of the plan with these weights: what all ranks together should find.
StepResult RunStep(const Plan& plan, std::size_t step, const Tensors& weights);

}  // namespace dflop::reference
