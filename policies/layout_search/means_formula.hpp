// DFLOP's step-time formula of means on its profiled curves (arXiv 2603.25120, section 3.3 and Algorithm 1), corrected
// where it must be.
//
//   E_dur = time of a mean encoder microbatch (mean_tiles·GBS/(i·E_dp) tiles) / E_pp, L_dur alike
//   T     = (i + E_pp + L_pp − 1) · max(E_dur, L_dur)
//   Mem_E = state + (E_pp + L_pp)·activations, Mem_L = state + L_pp·activations, both ≤ GPU memory
// The printed algorithm forgets the factor GBS/(i·dp), without which neither microbatches nor replicas divide the work.
// The LLM's linear layers see the packed length, its attention the samples' own lengths (section 3.2.1); how the two
// rates combine is never written down, so their times are added, which is exact for both.
#pragma once

#include <optional>
#include <vector>

#include "models/model_profile.hpp"
#include "policies/layout_search/separate_layouts.hpp"

namespace dflop {

class MeansFormula {
 public:
  explicit MeansFormula(const PlanningProblem& problem);
  MeansFormula(const MeansFormula&) = delete;  // its sides point into its profile
  MeansFormula& operator=(const MeansFormula&) = delete;

  /// The whole module with `tp` on a mean microbatch, the global batch cut into `parts` = replicas · microbatches.
  Seconds Time(int module, int tp, int parts);
  /// No cut needs less than this over all its parts.
  Seconds LeastWork(int module, int tp) const { return side(module, tp).least_work; }

  /// T, or nothing when the formula's memory does not suffice.
  std::optional<Seconds> StepTime(const SeparatePair& pair, int microbatches);
  bool Fits(const SeparatePair& pair, int microbatches) const;

  int global_batch_size() const { return global_batch_size_; }
  int llm() const { return static_cast<int>(profile_.modules.size()) - 1; }

 private:
  /// One module with one tensor-parallel degree, for the global batch as a whole.
  struct Side {
    const RankProfile* rank = nullptr;
    Seconds attention{0};
    Bytes activations{0};
    Seconds least_work{0};
    std::vector<Seconds> times;  ///< [parts], 0 where nobody has asked yet
  };
  void Prepare(int module, const PlanningProblem& problem, double scale);
  static std::size_t Place(int module, int tp);
  const Side& side(int module, int tp) const { return sides_[Place(module, tp)]; }
  bool SideFits(int module, const ModuleDegrees& degrees, int microbatches, int in_flight) const;

  ModelProfile profile_;
  int global_batch_size_;
  Bytes memory_;
  std::vector<double> sizes_;  ///< per module: tiles or tokens of the global batch
  std::vector<Side> sides_;    ///< by module and log2 tp
};

}  // namespace dflop
