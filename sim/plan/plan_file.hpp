// The file dflop/plan/1: a whole plan as the real runner executes it and tools read it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "sim/graph/operation_graph.hpp"
#include "sim/plan/batch_plan.hpp"
#include "sim/plan/device_order.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

/// What one operation of a step is predicted to cost.
struct PlannedOperation {
  OpKind kind = OpKind::kForward;
  int stage = -1;       ///< index into Layout::stages, −1 where there is none
  int to_stage = -1;    ///< transfers: the stage that receives
  int microbatch = -1;  ///< −1 where the operation belongs to the whole step
  Seconds time{0};      ///< communication: with the links otherwise idle
  Bytes bytes{0};       ///< of communication, over all its flows
  bool operator==(const PlannedOperation&) const = default;
};

struct PlannedStep {
  std::vector<SampleShape> batch;
  BatchPlan plan;
  std::vector<PlannedOperation> operations;
  std::vector<DeviceOrder> orders{};  ///< of this step alone; empty: those of the plan
};

struct Plan {
  std::string experiment;
  std::string scenario;
  std::string policy;
  std::int64_t seed = 0;
  ModelSpec model;
  ClusterSpec cluster;     ///< that the times were predicted for
  SoftwareStack software;  ///< as the planner decided, where it decides
  Layout layout;
  std::vector<DeviceOrder> orders;  ///< [device group], of every step that has none of its own
  std::vector<PlannedStep> steps;

  const std::vector<DeviceOrder>& OrdersIn(std::size_t step) const {
    return steps[step].orders.empty() ? orders : steps[step].orders;
  }
};

/// The predicted costs of a step's operations, in the order of the graph.
std::vector<PlannedOperation> PlannedOperations(const OperationGraph& graph);

Json ToJson(const Plan& plan);
/// Strict; InputError with file and pointer.
Plan ReadPlan(const JsonReader& json);

}  // namespace dflop
