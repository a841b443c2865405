// What a profile found, as text for the terminal.
#pragma once

#include <string>

#include "models/kernel_costs.hpp"
#include "real_runner/profile/profiler.hpp"

namespace dflop {

/// The sum of the kernels that a layer is made of.
struct LayerCheck {
  CostRow layer;  ///< as measured
  Seconds sum{0};
  double ratio() const { return sum / layer.median; }
};

/// One entry for each of the plan's layers that was measured together with all of its kernels.
std::vector<LayerCheck> CheckLayers(const ProfilePlan& plan, const CostTrace& trace);

/// What the simulator makes of a pack of unequal sequences: a sum over them, each at the cost that this very trace
/// gives equal ones.
struct PackCheck {
  CostRow pack;  ///< as measured
  KernelCost sum;
  double ratio() const { return sum.time / pack.median; }
};

/// One entry for each pack, where the trace holds causal attention of its direction.
std::vector<PackCheck> CheckPacks(const CostTrace& trace);

/// Rows, skipped shapes and disturbed launches; range of GEMM rates; every layer against the sum of its kernels, every
/// pack against the sum over its sequences.
std::string SummaryText(const ProfilePlan& plan, const ProfileOutcome& outcome);

}  // namespace dflop
