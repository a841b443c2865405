// Values of a LogGrid that best explain scattered observations: penalised, robust least squares.
#pragma once

#include <vector>

#include "models/log_grid.hpp"

namespace dflop {

struct Observation {
  LogGrid::Point at{};
  double value = 0;
  double weight = 1;
};

struct FitOptions {
  /// Weight of the penalty on first and second differences between neighbouring nodes, against one observation. It
  /// decides only where observations are scarce; there the surface bends little and levels off.
  double smoothness = 0.02;
  /// Residuals beyond this (natural log, so about a relative error) lose weight: outliers of the measurement count
  /// linearly, as in Huber's estimator.
  double huber = 0.03;
  int robust_rounds = 6;
};

/// Minimises Σ weight·ρ(interpolated − value) + smoothness·(Σ first differences² + Σ second differences²), by conjugate
/// gradients on the normal equations, reweighted `robust_rounds` times. Deterministic.
std::vector<double> FitGrid(const LogGrid::Axes& axes, const std::vector<Observation>& observations,
                            const FitOptions& options = {});

}  // namespace dflop
