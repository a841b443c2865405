// What the profiler of DFLOP's release measures, and the files that its optimizer reads (facts read off
// github.com/BDAI-Research/DFLOP at 60e86d8; nothing copied). In the folder, with names as it spells them:
//
//   thr_M_ENCODER_SIZE.csv        batch_size (tiles), model_time, num_layers, tp_size
//   thr_M_LLM_SIZE.csv            seq_len, model_time, num_layers, tp_size
//   thr_M_LLM_SIZE_skip_attn.csv  the same with attention skipped
//   mem_M_ENCODER_SIZE.csv        batch_size, model_mem, fwd_peak, model_state_peak, num_layers, tp_size
//   mem_M_LLM_SIZE.csv            the same with seq_len
//   samples.json                  {"image_batch": […], "llm_input_seq": […]}: its pickle M_ENCODER_LLM.pkl as JSON
//
// M is its name of the kind of model (llavaov, internvl), ENCODER and LLM its name of a family (siglip, qwen2.5), SIZE
// of a member (6b, 7b). Further columns, such as its fwd_times and bwd_times, are passed over, as its optimizer does.
#pragma once

#include <string>
#include <vector>

#include "base/json_reader.hpp"

namespace dflop {

/// How the release names a model; encoder and llm as FAMILY_SIZE.
struct ReleaseNames {
  std::string mllm;
  std::string encoder;
  std::string llm;
};

struct ReleaseProfile {
  /// Forward and backward of `layers` layers with both ends of the module, of one microbatch.
  struct Time {
    double size = 0;  ///< tiles, or tokens of one sequence
    double time_ms = 0;
    int layers = 0;
    int tp = 1;
    /// The measurement of the same in another table; nullptr when there is none.
    const Time* PartnerIn(const std::vector<Time>& times) const;
  };
  /// Of one rank, in GiB.
  struct Memory {
    double batch = 0;
    double length = 0;  ///< tokens of a sequence; the encoder's file does not say, 0
    int layers = 0;
    int tp = 1;
    double model_gib = 0;    ///< weights and what stays with them between steps
    double forward_gib = 0;  ///< what a forward adds
    double state_gib = 0;    ///< the peak of weights, gradients and optimizer state
  };

  std::vector<Time> encoder{};
  std::vector<Time> llm{};
  std::vector<Time> llm_without_attention{};
  std::vector<Memory> encoder_memory{};
  std::vector<Memory> llm_memory{};
  // Of every sample of the data profile.
  std::vector<int> tiles{};
  std::vector<int> llm_tokens{};
};

/// `folder` is the reader of the folder's name. InputError there when it or a file is missing; inside a file at the
/// line that is wrong, and where what its optimizer needs is not there: two sizes and two layer counts for every TP.
ReleaseProfile ReadReleaseProfile(const JsonReader& folder, const ReleaseNames& names);

/// All files, numbers as text that reads back as the same.
void WriteReleaseProfile(const std::string& folder, const ReleaseNames& names, const ReleaseProfile& profile);

}  // namespace dflop
