// The key `training` of a scenario: the whole run that its steps are a part of.
//
//   {"samples": 1e9, "price_per_gpu_hour": 2.5,
//    "checkpoint": {"every_s": 1800, "bytes_per_s": 50e9, "blocking": true},
//    "failures": {"per_gpu_hour": 1.97e-5, "restart_s": 600}}
//
// Either `samples` or `tokens` (of the LLM, without padding), 1 to 10¹⁵. Optional are price_per_gpu_hour, 0 to 10⁴ of
// whatever currency; `checkpoint`: every_s (10⁻³ to 10⁹) or every_steps (1 to 10¹²), write_s (0 to 10⁶) or bytes_per_s
// (1 to 10¹⁵, of the storage, into which all GPUs write together), blocking (true: steps wait for the write);
// `failures`: per_gpu_hour 0 or 10⁻¹² to 1, restart_s 0 to 10⁷, from the failure to the first step after it. 419
// unexpected interruptions in 54 days on 16,384 H100 are 1.97e-5 (Llama 3, arXiv 2407.21783, section 3.3.4 and table
// 5).
#pragma once

#include <optional>

#include "base/json_reader.hpp"

namespace dflop {

/// One of each pair is there.
struct CheckpointSpec {
  std::optional<double> every_s;
  std::optional<double> every_steps;
  std::optional<double> write_s;
  std::optional<double> bytes_per_s;
  bool blocking = true;
};

struct FailureSpec {
  double per_gpu_hour = 0;
  double restart_s = 0;
};

struct TrainingSpec {
  std::optional<double> samples;
  std::optional<double> tokens;  ///< where there are no samples
  std::optional<double> price_per_gpu_hour;
  std::optional<CheckpointSpec> checkpoint;
  std::optional<FailureSpec> failures;
};

TrainingSpec ReadTraining(const JsonReader& json);

/// As it is in force, defaults included.
Json ToJson(const TrainingSpec& training);

}  // namespace dflop
