// The measured tables that the built-in GPU models are fitted to, and which of their rows the fit never sees.
#pragma once

#include <string>
#include <vector>

#include "models/cluster_spec.hpp"
#include "traces/cost_trace.hpp"

namespace dflop {

struct ReferenceGpu {
  std::string name;    ///< ours: "a100-sxm-80gb"
  std::string device;  ///< in the file names of the reference data: "a100_sxm"
  GpuSpec spec;        ///< the dense bf16 peak that efficiencies are relative to
};
/// A100, H100, H200, B200.
const std::vector<ReferenceGpu>& ReferenceGpus();

/// The operations that a reference table can hold: gemm, attention_causal, attention_full.
const std::vector<std::string>& CalibratedOperations();

/// All forward bf16 rows of one GPU:
/// FOLDER/aiconfigurator/{gemm,context_attention,encoder_attention}_bf16_<device>.csv, those that exist. InputError
/// when there is no GEMM table.
CostTrace LoadReferenceTrace(const std::string& folder, const ReferenceGpu& gpu);

struct SplitTrace {
  CostTrace training;
  CostTrace held_out;
};
/// Of every operation's distinct shapes, in ascending order of their dimensions, every fifth (index % 5 == 4) is held
/// out with all its rows, whichever collector measured them.
SplitTrace HoldOutEveryFifthShape(const CostTrace& trace);

}  // namespace dflop
