// What the released code of DFLOP computes per layout, and how it picks one; dflop_as_released.cpp tells the whole
// rule.
#pragma once

#include <cstddef>
#include <vector>

#include "models/model_profile.hpp"
#include "policies/separate_layouts.hpp"

namespace dflop {

class ReleasedRule {
 public:
  /// The problem's samples must outlive the rule.
  explicit ReleasedRule(const PlanningProblem& problem);

  /// 1.25 times the state and the activations in flight, those of the largest single sample.
  bool Fits(const SeparatePair& pair) const;
  /// The smallest count whose mean shapes are no larger than the largest sample; 0 when there is none to try.
  int Microbatches(const SeparatePair& pair) const;
  Seconds StepTime(const SeparatePair& pair, int microbatches) const;

 private:
  /// What one module's samples look like to the rule.
  struct SizeStatistics {
    double mean = 0;
    double most = 0;
    double mean_square = 0;
  };
  int llm() const { return static_cast<int>(profile_.modules.size()) - 1; }
  double MeanSize(int module, int parts) const;
  SizeStatistics StatisticsOf(int module) const;
  bool SideFits(int module, const ModuleDegrees& degrees, double size, int in_flight) const;
  Seconds EncoderTime(const ModuleDegrees& degrees, int parts) const;
  Seconds LlmTime(const ModuleDegrees& degrees, int parts) const;
  FlopsPerSecond MeanAttentionRate(const RankProfile& rank) const;

  ModelProfile profile_;
  int global_batch_size_;
  Bytes memory_;
  const std::vector<SampleShape>& samples_;
  std::vector<SizeStatistics> sizes_;            ///< per module
  std::vector<FlopsPerSecond> attention_rates_;  ///< per profiled TP of the LLM
};

struct ReleasedChoice {
  SeparatePair pair;
  int microbatches = 0;
  Seconds time{0};
};

/// Index of the last one accepted: faster than 1.1 times the incumbent and with fewer microbatches. At least one
/// choice.
std::size_t PickAsReleased(const std::vector<ReleasedChoice>& choices);

}  // namespace dflop
