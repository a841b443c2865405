// Foreign kernel tables → CostTrace.
#pragma once

#include <string>
#include <vector>

#include "traces/cost_trace.hpp"

namespace dflop {

/// CSV tables of aiconfigurator's layout (gemm, context_attention, encoder_attention; recognised by their header).
/// Several files make one trace of one device: the one of the file's name (…_bf16_h100_sxm.csv), else of the known GPUs
/// in its folders' names, else `device`, which must not contradict either.
CostTrace ImportAiconfigurator(const std::vector<std::string>& paths, const std::string& device = "");

/// vidur's per-layer operator table (llm_layer_nonattention_forward.csv and the original mlp.csv layout, whose model
/// is the name of its folder and whose GPU is the innermost known one above it, else `device`). Projections become
/// "gemm" rows of the shape one tensor-parallel rank runs; the other operators become memory-bound rows with the bytes
/// they must move. `device` picks one GPU; it may stay empty when the tables hold only one.
CostTrace ImportVidur(const std::vector<std::string>& paths, const std::string& device = "");

}  // namespace dflop
