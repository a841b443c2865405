// The messages of a training step: between stages, between encoders and LLM, and over replicas at the end.
#pragma once

#include <vector>

#include "models/network.hpp"
#include "sim/layout.hpp"
#include "sim/operation_graph.hpp"

namespace dflop {

/// Activations (or their gradients) from one stage to the next. `bytes` is the whole tensor, of which every rank holds
/// a copy; with scatter_transfers or sequence parallelism each rank sends its 1/T (Megatron-LM, arXiv 2104.04473, 4.1).
Communication StageTransfer(const CostModel& cost, const DeviceGroup& source, const DeviceGroup& target, Bytes bytes);

/// Gradient reduction of one stage over its replicas: ring all-reduce, or reduce-scatter with a distributed optimizer.
/// With overlap_gradients only what the last backward cannot hide remains, at least one layer's bucket.
Communication GradientReduction(const CostModel& cost, const Layout& layout, const std::vector<int>& replicas,
                                const StepCosts& costs);

/// All-gather of the updated bf16 weights after a distributed optimizer's step.
Communication ParameterGather(const CostModel& cost, const Layout& layout, const std::vector<int>& replicas);

/// Encoders and LLM on devices of their own.
///
/// Hub (DFLOP, arXiv 2603.25120, section 4): rank 0 of the encoder gathers the replicas' outputs, then sends each LLM
/// replica its own, one after the other; a first rank that receives passes the tensor on to its group over NVLink.
/// Direct: every encoder replica sends every LLM replica its share at once. Backward mirrors both.
class Communicate {
 public:
  Communicate(const CostModel& cost, const Layout& layout);
  /// `bytes`: projected output of the whole union microbatch.
  Communication Gather(int encoder, Bytes bytes) const;
  Communication Scatter(int encoder, Bytes bytes) const;
  /// `bytes`: what this LLM replica wants of it.
  Communication Send(int encoder, int llm_replica, Bytes bytes) const;
  Communication Return(int encoder, int llm_replica, Bytes bytes) const;

 private:
  Communication Messages(std::vector<Flow> flows, bool within_group) const;

  const CostModel& cost_;
  bool hub_;
  std::vector<std::vector<DeviceGroup>> outputs_;  ///< [encoder][replica]: groups of its last stage
  std::vector<DeviceGroup> llm_inputs_;            ///< [replica]: groups of the LLM's first stage
};

}  // namespace dflop
