// What DFLOP's model profiler hands to its planner (arXiv 2603.25120, section 3.2.1): throughput curves and memory
// lines of every module, for every tensor-parallel degree.
//
// The LLM is profiled twice, whole and with attention skipped: its linear layers see the length of a pack, attention
// the lengths of the samples in it. An encoder's sequences are all one tile long, so one curve over tiles says all.
#pragma once

#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "models/cost_model.hpp"
#include "models/throughput_curve.hpp"

namespace dflop {

/// Bytes of one rank, linear in the layers of a stage, beside what the module's ends add where a stage holds them.
struct LayerLine {
  Bytes per_layer{0};
  Bytes first{0};  ///< stage with the input (patch or token embedding)
  Bytes last{0};   ///< stage with the output (projector, or norm and head)
  Bytes only{0};   ///< one stage with both
};

/// One module on one rank of a tensor-parallel group. Rates are per GPU, forward and backward together, recomputed
/// FLOPs counted and tensor-parallel collectives inside the time.
struct RankProfile {
  int tp = 1;
  ThroughputCurve linear;     ///< encoder: everything, against tiles; LLM: all but attention, against packed tokens
  ThroughputCurve attention;  ///< LLM: attention, against the length of one sample; an encoder has none
  LayerLine weights_and_gradients;
  LayerLine optimizer;          ///< with a distributed optimizer to be divided by the replicas
  Bytes activations{0};         ///< of the whole module, per tile or token
  Bytes square_activations{0};  ///< the same per token²: scores of unfused attention
};

struct ModuleProfile {
  std::string name;
  bool is_llm = false;
  int layers = 0;
  bool shards_optimizer = false;
  Flops linear_flops{0};     ///< of the whole module, all ranks, per tile or token
  Flops attention_flops{0};  ///< the same per token² of a sample
  std::vector<RankProfile> ranks;

  /// Of a whole microbatch of so many tiles or tokens, attention of the LLM left out.
  Seconds LinearTime(const RankProfile& rank, double size) const;
  /// The LLM's attention for one sample.
  Seconds AttentionTime(const RankProfile& rank, double length) const;
  /// Weights, gradients and optimizer state of the fullest of so many stages.
  Bytes State(const RankProfile& rank, int stages, int replicas) const;
  /// nullptr when this degree was not profiled.
  const RankProfile* Find(int tp) const;
};

struct ModelProfile {
  std::string model;
  std::string source;  ///< which kernel costs it comes from
  std::vector<ModuleProfile> modules;
};

/// Where the curves have their points. The paper's code profiles 1…64 tiles and 1k…8k tokens; packs are longer and
/// text-only samples shorter.
struct ProfileGrid {
  std::vector<double> tiles = {1, 2, 4, 8, 16, 32, 64};
  std::vector<double> tokens = {128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};
  std::vector<int> tensor_parallel = {1, 2, 4, 8};
};

/// Asks the cost model at every point of the grid; degrees that heads or nodes do not allow are left out.
ModelProfile ProfileModel(const CostModel& cost, const ProfileGrid& grid = {});

/// dflop/model-profile/1.
Json ToJson(const ModelProfile& profile);
/// The same back; InputError at what is missing or no curve.
ModelProfile ReadModelProfile(const JsonReader& json);

}  // namespace dflop
