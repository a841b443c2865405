// Every way to put the encoder and the LLM on disjoint GPUs: what the paper's optimizer and its released code choose
// from (arXiv 2603.25120, Algorithm 1, lines 1–11).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policies/api/layout_planner.hpp"

namespace dflop {

/// Degrees of both sides. A text-only model has no encoder, the LLM then has all GPUs.
struct SeparatePair {
  std::optional<ModuleDegrees> encoder;
  ModuleDegrees llm;

  int depth() const { return (encoder ? encoder->pp : 0) + llm.pp; }
  SeparateDegrees With(int microbatches, Communicator communicator) const;
};

/// All GPUs used, TP groups inside a node, a layer for every stage. In order of encoder GPUs, encoder TP and PP, LLM TP
/// and PP. Throws Infeasible for several encoders, which the paper's optimizer does not know.
std::vector<SeparatePair> SeparatePairs(const PlanningProblem& problem);

/// Where none fits: the layout that overflows least, with as many microbatches as there can be, for a message.
std::string LeastBadSeparate(const PlanningProblem& problem, Communicator communicator);

/// A plug-in's parameter "communicator" (sim/plan/layout.hpp).
Communicator CommunicatorOr(const JsonReader& json, Communicator standard);

}  // namespace dflop
