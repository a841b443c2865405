// What a trace holds, and how two sources of kernel costs differ, as text for the terminal.
#pragma once

#include <string>

#include "models/kernel_costs.hpp"
#include "traces/cost_trace.hpp"
#include "traces/network_trace.hpp"

namespace dflop {

/// Device, software, method; per operation: rows, distinct shapes, range of every dimension, times, rates, and the
/// gaps: powers of two inside a dimension's range without any row, and how much of the box of octaves is covered
/// jointly.
std::string InspectionText(const CostTrace& trace);

/// Source, software; per operation, type and placement: rows, range of bytes, times and bus bandwidths.
std::string InspectionText(const NetworkTrace& trace);

/// The rows of `measured` that `other` can answer from its own measurements: same operation (memory-bound kernels count
/// as one) and direction.
CostTrace CommonRows(const CostTrace& measured, const CostTrace& other);

/// Error of `costs` against the rows of `measured` that last at least `shortest`, per operation, with the `worst`
/// shapes of each. InputError when no row is left.
std::string ComparisonText(const CostTrace& measured, const KernelCosts& costs, Seconds shortest, int worst);

/// How far two traces agree on the kernels that both measured on equal shapes, whole layers and all: median and 90th
/// percentile of |b/a − 1|, over all of them and over those that scatter by less than 5 % in both. "" when there are
/// none.
std::string RepeatText(const CostTrace& a, const CostTrace& b);

}  // namespace dflop
