// The layout rule of DFLOP's released code as a function of what that code reads: its profiler's tables, the samples of
// its data profile, GPUs, memory and global batch (facts read off github.com/BDAI-Research/DFLOP at 60e86d8,
// data_aware_optimizer.py; nothing copied). It is not the paper's Algorithm 1; dflop_as_released.cpp says what a run
// makes of it.
//
//   for encoder GPUs 1 … n−1; all (tp, pp, dp) of the encoder; all of the LLM, nested in this order, TPs as the tables
//   list them, PP rising, no bound by layers or nodes:
//     drop if 1.25·(state + k·activations) > GPU memory, with the largest sample's tiles·L_dp/E_dp and k = E_pp + L_pp
//     for
//       the encoder, the longest single sample and k = L_pp for the LLM. State and activations are const + ⌈layers/pp⌉·
//       slope, both from two layer counts, so that embedding and head count in full on every stage
//     m = the smallest of 1 … ⌊GBS/L_dp⌋ with mean_tiles·GBS/(m·E_dp) ≤ most tiles and mean_tokens·GBS/(m·L_dp) ≤ most
//       tokens of a sample; those with less than one sample per microbatch on either side are skipped, and without one
//       that keeps both limits it is the last, skipped or not. Where there is none to try (L_dp > GBS) m and the mean
//       shapes are those of the candidate before; there the code ends with an error if no candidate was before
//     T = (m + E_pp + L_pp − 1)·max(E_FLOP/(E_thr·E_tp·E_pp), L_FLOP/(L_thr·L_tp·L_pp))
//     accept if T < 1.1·best T and m < best m, and keep both
// A candidate is accepted only with fewer microbatches than the incumbent and may be a tenth slower, so the result
// depends on the order. Rates are linear in tiles or tokens, also beyond the tables' ends, and rounded to two decimals
// of a TFLOP/s, as are the times of attention and linear layers to 0.01 ms. L_thr = r_lin·thr_lin(pack) + r_att·mean
// thr_att(sample), r the shares of the FLOPs: an arithmetic mean of rates, where times would add.
#pragma once

#include <optional>
#include <string>

#include "models/model_spec.hpp"
#include "sim/plan/layout.hpp"
#include "traces/release_profile.hpp"

namespace dflop {

struct ReleasedInputs {
  const ModelSpec& model;  ///< at most one encoder; without one all GPUs are the LLM's, a case that its code lacks
  ReleaseProfile profile;
  int gpus = 1;
  double gpu_memory_gib = 0;
  int global_batch_size = 1;
};

struct ReleasedPlan {
  std::optional<ModuleDegrees> encoder;
  ModuleDegrees llm;
  int microbatches = 1;
  double encoder_tflops_per_gpu = 0;  ///< at the mean microbatch, not rounded
  double llm_tflops_per_gpu = 0;
  Seconds time{0};   ///< its formula's
  int admitted = 0;  ///< how many candidates its memory rule let pass
};

struct ReleasedAnswer {
  std::optional<ReleasedPlan> plan;  ///< nothing where its code ends with an error
  std::string why_none;              ///< what was missing, of the candidate that came closest
};

/// The tables hold two sizes and two layer counts for every TP.
ReleasedAnswer PlanAsReleased(const ReleasedInputs& inputs);

/// "tp 4, pp 2, dp 1".
std::string DegreesText(const ModuleDegrees& degrees);

}  // namespace dflop
