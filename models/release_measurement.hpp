// What the profiler of DFLOP's release would measure if the cost model were the machine (facts read off
// github.com/BDAI-Research/DFLOP at 60e86d8).
//
// TP 1, 2, 4, 8, where heads and nodes allow them. Encoder: 16 layers, 1…64 tiles; LLM: 4 layers, one sequence of 1k,
// 2k, 4k, 8k tokens, with attention and without; both with input and output of the module. Memory: encoder 4 and 8
// layers, 2 tiles; LLM 3 and 4 layers, 1,024 tokens.
#pragma once

#include <vector>

#include "models/cost_model.hpp"
#include "traces/release_profile.hpp"

namespace dflop {

/// Recompute as in the job, or, with `tp1_without_recompute`, as its profiler has it whatever the job does: none with
/// one rank, where it forgets to ask for it, and all with more. Optimizer state is not sharded, for it measures one
/// replica. No encoder: its tables stay empty, and so does the list of tiles.
ReleaseProfile MeasureAsReleased(const CostModel& cost, const std::vector<SampleShape>& samples,
                                 bool tp1_without_recompute);

}  // namespace dflop
