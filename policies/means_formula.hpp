// DFLOP's step-time formula of means (arXiv 2603.25120, section 3.3 and Algorithm 1), corrected where it must be.
//
//   E_dur = time of a mean encoder microbatch (mean_tiles·GBS/(i·E_dp) tiles) / E_pp, L_dur alike
//   T     = (i + E_pp + L_pp − 1) · max(E_dur, L_dur)
//   Mem_E = state + (E_pp + L_pp)·activations, Mem_L = state + L_pp·activations, both ≤ GPU memory
// The printed algorithm forgets the factor GBS/(i·dp), without which neither microbatches nor replicas divide the work.
// The LLM's attention sees the samples' own lengths, its linear layers the packed length (section 3.2.1).
#pragma once

#include <optional>
#include <vector>

#include "policies/layout_planner.hpp"

namespace dflop {

class MeansFormula {
 public:
  explicit MeansFormula(const PlanningProblem& problem);

  /// One side (encoder or LLM) with `tp`, whose replicas·microbatches product is `parts`: the whole module's time, and
  /// the activations that it keeps per microbatch on one rank, both to be divided by its stages.
  struct Side {
    Seconds time{0};
    Bytes activations{0};
  };
  const Side& Evaluate(int module, int tp, int parts);
  /// Weights, gradients and optimizer state of the fullest stage.
  Bytes State(int module, const ModuleDegrees& degrees);

  /// T of these degrees, or nothing when the formula's memory does not suffice.
  std::optional<Seconds> StepTime(const SeparateDegrees& degrees);

 private:
  SequenceBatch MeanBatch(int module, double parts) const;
  static std::size_t TensorIndex(int tp);

  const PlanningProblem& problem_;
  std::vector<SequenceBatch> whole_;                                    ///< per module: the whole global batch as one
  std::vector<std::vector<std::vector<std::optional<Side>>>> sides_;    ///< [module][log2 tp][parts]
  std::vector<std::vector<std::vector<std::optional<Bytes>>>> states_;  ///< [module][log2 tp][pp]
};

}  // namespace dflop
