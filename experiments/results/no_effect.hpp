// Inputs that change nothing: said aloud, because whoever wrote them believes that they do.
#pragma once

#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "experiments/spec/experiment.hpp"

namespace dflop {

/// A line for each part of the experiment without influence on `runs` (those of a dflop/result/1): policies that every
/// scenario replaces, keys of its software that nothing asks for, of its
/// data loading and its training likewise, sweep axes along which no figure differs. Empty where
/// all is well.
std::vector<std::string> InputsWithoutEffect(const Experiment& experiment, const Json& runs);

}  // namespace dflop
