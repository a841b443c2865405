// data_sched_config.yaml: what the optimizer of DFLOP's release hands to its scheduler and its trainer (facts read off
// github.com/BDAI-Research/DFLOP at 60e86d8).
//
//   seed, num_training_steps                                     of its own run, passed over here
//   vision_model_name, vision_model_size, llm_model_name, llm_model_size
//   global_batch_size, num_batches                               microbatches per replica of the LLM
//   parallel_config:
//     vision_tp_size, vision_pp_size, vision_dp_size, vision_thr    thr: TFLOP/s per GPU that its scheduler divides by
//     llm_tp_size, llm_pp_size, llm_dp_size, llm_thr
#pragma once

#include <string>

#include "base/json_reader.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

struct ReleaseConfig {
  std::string file;
  std::string encoder_family;
  std::string encoder_size;
  std::string llm_family;
  std::string llm_size;
  int global_batch_size = 1;
  int microbatches = 1;
  ModuleDegrees encoder;
  ModuleDegrees llm;
};

/// `path` is the reader of the file's name. InputError there when there is no such file, and in the file at the line
/// that is no YAML of this kind or at the key that is missing, unknown or out of range.
ReleaseConfig ReadReleaseConfig(const JsonReader& path);

/// InputError in the file where it was made for another batch size or another model.
void CheckReleaseConfig(const ReleaseConfig& config, const ModelSpec& model, int global_batch_size);

}  // namespace dflop
