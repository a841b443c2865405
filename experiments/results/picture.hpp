// The stored picture of one step, as the charts draw it.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "experiments/results/shown_name.hpp"

namespace dflop {

/// Whose layers a stage holds; decides its hue.
enum class Side { kEncoder, kLlm, kShared };

struct PictureStage {
  int replica = 0;
  int depth = 0;
  int group = 0;
  bool goes_up = false;  ///< of two pipelines over the same devices the second, in the opposite direction
  Side side = Side::kLlm;
  int module = -1;  ///< the last that it holds: whose samples its microbatches are; −1 where the file does not say
  std::string modules;  ///< "siglip", "llm", "siglip + llm"
  std::string parts;    ///< "LLM layers 8–15", "encoder layers 0–39 + LLM layers 0–7"
  std::string gpus;     ///< "GPUs 0–3"
  int gpu_count = 1;
  double hardware_flops = 0;  ///< of the step, all its GPUs together, recomputation counted; 0 where the file is older
};

struct PictureEvent {
  std::string kind;     ///< as in the file: "forward", "backward", "weight_gradient", "transfer", …
  int stage = 0;        ///< for a transfer the stage that waits for it
  int from_stage = -1;  ///< of a transfer, the stage that sends
  int microbatch = -1;
  double start_s = 0;
  double end_s = 0;
  double duration_s() const { return end_s - start_s; }
  bool IsMicrobatchWork() const { return kind == "forward" || kind == "backward" || kind == "weight_gradient"; }
  bool IsCommunication() const {
    return kind == "transfer" || kind == "gradient_reduction" || kind == "parameter_gather";
  }
};

/// A step as stored in a dflop/timeline/1 file.
struct StepPicture {
  std::string scenario;
  std::string policy;
  std::string instead;  ///< the batch scheduler that stood in for the policy's; empty when none did
  double makespan_s = 0;
  std::vector<PictureStage> stages;  ///< of the device groups that are drawn
  std::size_t device_groups = 0;     ///< of the whole step, drawn or not
  std::vector<PictureEvent> events;
  int splits = 1;  ///< of every microbatch, where events count its parts (Layout::units)
  /// Sample numbers by module and replica, [microbatch]; empty in files that were stored without.
  std::map<std::pair<int, int>, std::vector<std::vector<int>>> samples;

  std::string shown() const { return ShownName(policy, instead); }
  /// "3", or "3.1" of the second part of a microbatch that passes in parts.
  std::string NumberOf(const PictureEvent& event) const;
};

/// Reads one file; scenario and policy, which the file does not say, stay empty. Tolerates keys it does not know;
/// InputError on a malformed file.
StepPicture ReadPicture(const std::string& path);

const char* SideName(Side side);  ///< "encoder", "llm", "shared": also the class that colours it

/// Forward and backward seconds of every bucket of one side by replica, microbatch by microbatch, summed over the
/// stages it passes. Empty when no stage is of that side.
std::map<int, std::vector<double>> BucketLoads(const StepPicture& picture, Side side);

}  // namespace dflop
