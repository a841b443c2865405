// Whether a plan file is one that can be executed: before any kernel runs, not in the middle of a step.
#pragma once

#include <string>

#include "sim/plan/plan_file.hpp"

namespace dflop {

/// InputError with `file` and a JSON pointer unless
///   - the layout holds every layer of the model once per replica, on device groups of the cluster that do not overlap,
///   - every device group's order runs each of its operations once, and the orders can be followed without deadlock,
///     those of a single step likewise,
///   - the batches fit the model, and the operations are those that the simulator makes of layout, orders and batches,
///     bytes included.
void CheckPlan(const Plan& plan, const std::string& file);

/// Gives the LLM the vocabulary that its costs were predicted for, padding included: what runs are whole rows.
void PadVocabulary(Plan& plan);

}  // namespace dflop
