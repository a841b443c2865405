// Which kernels to measure for one or more models, the most informative first, so that a profile may stop after any of
// them.
#pragma once

#include <string>
#include <vector>

#include "models/model_spec.hpp"
#include "traces/cost_trace.hpp"

namespace dflop {

struct PlanOptions {
  std::string dtype = "bf16";  ///< of the backend
  /// Rows of more FLOPs get fewer tokens, or a shorter sequence, until they are below; 0 = no limit.
  double flop_cap = 0;
  double byte_cap = 1 << 30;  ///< of a memory-bound row
  int devices = 0;            ///< for collectives; 0 = the backend has none
};

struct ProfilePlan {
  std::vector<CostRow> rows;    ///< distinct, without times, in the order of measuring
  std::vector<CostRow> layers;  ///< those of them that are whole layers
};

/// The order:
///   1. one launch; one layer of every module, forward and backward, after all the kernels that it is made of;
///   2. collectives, the loss, the optimizer, memory-bound kernels from 32 rows of 4,096 values up to the cap,
///      attention over packs of unequal sequences at TP 1;
///   3. the shapes of a job, by their share of the predicted time of a step (TP 1, 2, 4 and 8 where legal, 1 to 32
///      tiles, 1,024 to 32,768 tokens in sequences of several lengths), every GEMM in its three directions, attention
///      forward and backward;
///   4. a grid in powers of two over the box of those shapes: corners first, then ever finer, and memory-bound sizes
///      in between.
/// Of several models each step holds what any of them wants, nothing twice: a budget is shared by all. Deterministic in
/// (models, options).
ProfilePlan PlanProfile(const std::vector<ModelSpec>& models, const PlanOptions& options);

}  // namespace dflop
