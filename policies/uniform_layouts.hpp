// The homogeneous layouts of a cluster: one TP, PP and DP for everything, the encoder in the first stages.
#pragma once

#include <vector>

#include "policies/plan_simulator.hpp"

namespace dflop {

/// Tensor-parallel degrees that every module's heads and the cluster allow: powers of two up to a node, at most 8.
std::vector<int> TensorDegrees(const ModelSpec& model, const ClusterSpec& cluster);

/// Every homogeneous layout that uses all GPUs, without the microbatch count: TP × PP × DP × encoder stages.
/// With several chunks per device only pipelines of several devices.
std::vector<HomogeneousDegrees> UniformDegrees(const ModelSpec& model, const ClusterSpec& cluster, int chunks = 1);

/// The same with encoders of fewer tensor-parallel ranks than a device group has (every divisor), also where the
/// encoders' heads forbid the group's own TP. Nothing for a model without encoder.
std::vector<HomogeneousDegrees> ColocatedDegrees(const ModelSpec& model, const ClusterSpec& cluster, int chunks = 1);

/// The fastest of these by simulation, over all microbatch counts worth trying. Throws Infeasible when none fits.
LayoutDecision BestUniform(const PlanningProblem& problem, const std::vector<HomogeneousDegrees>& choices,
                           const std::string& what);

}  // namespace dflop
