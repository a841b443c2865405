// The `cpu` stage worker itself, for those who want to see its tensors; others take real_runner/cpu_worker.hpp.
#pragma once

#include <map>
#include <set>
#include <utility>

#include "real_runner/cpu/stage_part.hpp"
#include "real_runner/stage_worker.hpp"

namespace dflop::cpu {

class Worker final : public StageWorker {
 public:
  Worker(const Plan& plan, int rank);

  void Prepare(const StepProgram& program, std::size_t step) override;
  Span Run(const Action& action) override;
  Span StepOptimizer(int stage) override;
  /// Hidden rows are handed over, not copied: a message is packed once.
  std::vector<float> Pack(const Message& message) override;
  void Unpack(const Message& message, std::vector<float> values) override;
  std::span<float> CollectiveValues(Collective::What what, int stage) override;

  /// What this rank's heads contribute to the loss of the step so far.
  double loss() const { return loss_; }
  const StageParameters& parameters(int stage) const { return *stages_.at(stage).parameters; }

 private:
  struct HeldStage {
    std::unique_ptr<StageParameters> parameters;
    std::vector<StagePart> parts;
    std::vector<Mail> mail;           ///< [microbatch]
    std::vector<float*> activations;  ///< [microbatch]: from the forward until the last operation, otherwise nullptr
    std::vector<float*> gradients;    ///< [microbatch]: from the backward on
  };

  void PlaceTiles(const StepProgram& program, const PlannedStep& planned, int stage, HeldStage& held) const;
  /// Memory and, unless it is a rehearsal, computation.
  Span Perform(const Action& action, bool rehearsal);
  template <typename Body>
  Span Compute(bool rehearsal, HeldStage& held, const Body& body);
  float* TakeActivations(HeldStage& held, int k);
  void TakeGradients(HeldStage& held, int k, WeightsWhen weights);
  void Free(float*& block);
  Traffic& TrafficOf(int stage, const Message& message);

  const Plan& plan_;
  int rank_;
  std::map<int, HeldStage> stages_;          ///< by index into Layout::stages
  std::set<std::pair<int, int>> goes_back_;  ///< (stage, microbatch) with a backward in this step
  ActivationMemory memory_;
  double loss_ = 0;
};

}  // namespace dflop::cpu
