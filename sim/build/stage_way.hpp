// The way from one stage to the next: what a message over it takes, whatever it carries.
#pragma once

#include <vector>

#include "models/cost_model.hpp"
#include "sim/build/collectives.hpp"
#include "sim/graph/communication.hpp"
#include "sim/plan/content_bytes.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

/// Activations or their gradients from one device group to another. Context-parallel ranks hold a share of the tokens
/// each. With sequence parallelism each rank has and wants 1/T of them. Otherwise every rank has and wants a copy: with
/// scatter_transfers it sends 1/T and the receivers gather the rest over NVLink (Megatron-LM, arXiv 2104.04473,
/// section 4.1), without it sends all of it.
///
/// Looks at GPUs and links once; messages are then priced by their bytes alone.
class StageWay {
 public:
  /// `mesh`: of the stage that receives.
  StageWay(const CostModel& cost, const DeviceGroup& source, const DeviceGroup& target, const Mesh& mesh);

  /// Of one byte each, so that a message multiplies them by PerFlow; none where source and target are one.
  const std::vector<Flow>& flows() const { return flows_; }
  /// For a whole tensor of `bytes`:
  Bytes PerFlow(Bytes bytes) const { return bytes * copies_ / lanes_; }
  Seconds Latency(Bytes bytes) const;
  /// With links that are otherwise idle.
  Seconds Time(Bytes bytes) const { return Latency(bytes) + busiest_.Time(PerFlow(bytes)); }
  Communication Spelled(Bytes bytes) const;

  /// Equal for ways on which messages take equally long.
  void AddTo(ContentBytes& content) const;

 private:
  const NodeSpec& target_node_;
  int gathering_;  ///< ranks of a tensor-parallel group
  int shares_;     ///< context-parallel ranks, each with its part of the tensor
  bool gathers_;
  double copies_;  ///< of the tensor that are sent; each rank sends its own
  int lanes_;
  Seconds hop_{0};
  std::vector<Flow> flows_;
  BusiestPort busiest_;
};

}  // namespace dflop
