// What a profile found, as text for the terminal.
#pragma once

#include <string>

#include "real_runner/profiler.hpp"

namespace dflop {

/// The sum of the kernels that a layer is made of.
struct LayerCheck {
  CostRow layer;  ///< as measured
  Seconds sum{0};
  double ratio() const { return sum / layer.median; }
};

/// One entry for each of the plan's layers that was measured together with all of its kernels.
std::vector<LayerCheck> CheckLayers(const ProfilePlan& plan, const CostTrace& trace);

/// Rows, skipped shapes and disturbed launches; range of GEMM rates; every layer against the sum of its kernels.
std::string SummaryText(const ProfilePlan& plan, const ProfileOutcome& outcome);

}  // namespace dflop
