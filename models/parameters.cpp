// Parameters of a part of a module, and the state that training keeps for them.
//
// Two families of layers are told apart by the gate in their FFN: gated ones (Llama, Qwen) have RMS norms and no
// biases; the others (GPT, ViT, Whisper) have layer norms and biases everywhere, which makes the 12·h² + 13·h
// parameters a layer of arXiv 2104.04473, section 5.1. Qwen's QKV biases and class tokens are left out (< 0.01 %).
#include <algorithm>

#include "base/error.hpp"
#include "models/cost_model.hpp"
#include "models/sharding.hpp"
#include "models/tensor_parallel.hpp"

namespace dflop {
namespace {

constexpr double kWeightBytes = 2;  // bf16 or fp16

struct Count {
  double total = 0;
  double trainable = 0;

  void Add(double parameters, bool frozen) {
    total += parameters;
    trainable += frozen ? 0 : parameters;
  }
};

double NormParameters(const TransformerShape& shape) { return shape.gated_ffn ? shape.hidden : 2.0 * shape.hidden; }

/// One layer on one of `ranks` tensor-parallel ranks. Norms and the biases after a reduction are replicated.
double LayerParameters(const TransformerShape& shape, int ranks) {
  const RankShape rank(shape, ranks);
  const double hidden = shape.hidden;
  const double matrices =
      hidden * rank.qkv_width + rank.query_width * hidden + hidden * rank.up_width + rank.ffn_width * hidden;
  const double biases = shape.gated_ffn ? 0 : rank.qkv_width + rank.up_width + 2 * hidden;
  return matrices + biases + 2 * NormParameters(shape);
}

/// Patch embedding with bias and learned positions; replicated over tensor-parallel ranks.
double PatchParameters(const EncoderSpec& encoder) {
  return (encoder.patch_values() + 1.0 + encoder.tokens_per_tile()) * encoder.shape.hidden;
}

/// First linear layer cut by columns, the last one by rows; a single one by rows.
double ProjectorParameters(const EncoderSpec& encoder, int llm_hidden, int ranks) {
  const double input = encoder.projector_input_width();
  const double width = llm_hidden;
  if (encoder.projector_layers == 0) return 0;
  if (encoder.projector_layers == 1) return input * width / ranks + width;
  return (input * width + width) / ranks + width * width / ranks + width;
}

void AddEncoderEnds(const ModelSpec& model, const ModulePart& part, int ranks, Count& count) {
  const EncoderSpec& encoder = model.encoders[static_cast<std::size_t>(part.module)];
  if (part.has_input) count.Add(PatchParameters(encoder), encoder.frozen);
  if (!part.has_output) return;
  count.Add(NormParameters(encoder.shape), encoder.frozen);
  count.Add(ProjectorParameters(encoder, model.llm.shape.hidden, ranks), encoder.projector_frozen);
}

/// Of one of `ranks` ranks; `split` is how many the vocabulary is padded for.
double EmbeddingParameters(const LlmSpec& llm, const SoftwareStack& software, int split, int ranks) {
  return PaddedVocabulary(llm.vocab, software.vocabulary_multiple, split) * llm.shape.hidden / ranks;
}

/// A tied head is the embedding itself where both lie in one part, otherwise a copy of it (as Megatron-LM keeps).
void AddLlmEnds(const LlmSpec& llm, const SoftwareStack& software, const ModulePart& part, int ranks, Count& count) {
  const double embedding = EmbeddingParameters(llm, software, part.mesh.tp, ranks);
  if (part.has_input) count.Add(embedding, llm.frozen);
  if (!part.has_output) return;
  count.Add(NormParameters(llm.shape), llm.frozen);
  if (!(part.has_input && llm.tied_embeddings)) count.Add(embedding, llm.frozen);
}

/// Parameters that one of `ranks` ranks holds.
Count CountOnRank(const ModelSpec& model, const SoftwareStack& software, const ModulePart& part, int ranks) {
  const bool is_llm = model.is_llm(part.module);
  const bool frozen = is_llm ? model.llm.frozen : model.encoders[static_cast<std::size_t>(part.module)].frozen;
  Count count;
  count.Add(part.layers * LayerParameters(model.shape(part.module), ranks), frozen);
  if (is_llm) {
    AddLlmEnds(model.llm, software, part, ranks, count);
  } else {
    AddEncoderEnds(model, part, ranks, count);
  }
  return count;
}

}  // namespace

double CostModel::Parameters(const ModulePart& part) const { return CountOnRank(model_, software_, part, 1).total; }

double CostModel::TrainableParameters(const ModulePart& part) const {
  return CountOnRank(model_, software_, part, 1).trainable;
}

// Gradients that are reduced once a step are whole until then. What is gathered or about to be reduced is whole for a
// while: units and their successors that are gathered ahead, a unit's gradients, or a bucket of them.
StateMemory CostModel::State(const ModulePart& part, int copies) const {
  DFLOP_CHECK(copies > 0, "a part has a copy");
  const bool llm = model_.is_llm(part.module);
  const Sharding level = software_.sharding_of(llm);
  const int ranks = ShardRanks(software_, level, copies);
  const bool reduces = software_.reduces_every_microbatch(llm);
  const Count count = CountOnRank(model_, software_, part, part.mesh.tp);
  const double optimizer = software_.bytes_per_parameter - kWeightBytes - software_.gradient_bytes;
  StateMemory state;
  state.weights = Bytes(kWeightBytes * count.total);
  state.gradients = Bytes(software_.gradient_bytes * count.trainable);
  state.optimizer = Bytes(optimizer * count.trainable / ranks);
  if (ranks == 1) return state;
  if (level == Sharding::kParameters) {
    state.buffers = GatheredBytes(part, state.weights) + (reduces ? LargestUnitGradients(part) : Bytes(0));
    state.weights = state.weights / ranks;
  } else if (level == Sharding::kGradients && reduces) {
    state.buffers = std::min(state.gradients, Bytes(software_.bucket_bytes));
  }
  if (level >= Sharding::kGradients && reduces) state.gradients = state.gradients / ranks;
  return state;
}

Bytes CostModel::GatheredBytes(const ModulePart& part, Bytes weights) const {
  if (!software_.reshard_after_forward) return weights;
  const std::vector<ModulePart> units = UnitsOf(part, software_.wrapped_layers);
  const std::size_t window = static_cast<std::size_t>(software_.prefetch) + 1;
  std::vector<Bytes> bytes(units.size());
  std::transform(units.begin(), units.end(), bytes.begin(), [&](const ModulePart& unit) { return WeightBytes(unit); });
  Bytes most{0};
  for (std::size_t first = 0; first < bytes.size(); ++first) {
    Bytes sum{0};
    for (std::size_t i = first; i < std::min(first + window, bytes.size()); ++i) sum += bytes[i];
    most = std::max(most, sum);
  }
  return most;
}

Bytes CostModel::LargestUnitGradients(const ModulePart& part) const {
  Bytes largest{0};
  for (const ModulePart& unit : UnitsOf(part, software_.wrapped_layers)) {
    largest = std::max(largest, GradientBytes(unit));
  }
  return largest;
}

Bytes CostModel::WeightBytes(const ModulePart& part) const {
  return Bytes(kWeightBytes * CountOnRank(model_, software_, part, part.mesh.tp).total);
}

Bytes CostModel::GradientBytes(const ModulePart& part) const {
  return Bytes(software_.gradient_bytes * CountOnRank(model_, software_, part, part.mesh.tp).trainable);
}

Bytes CostModel::TiedGradientBytes(const ModulePart& part) const {
  const LlmSpec& llm = model_.llm;
  if (!model_.is_llm(part.module) || !llm.tied_embeddings || llm.frozen) return Bytes(0);
  const int ranks = part.mesh.tp;
  return Bytes(software_.gradient_bytes * EmbeddingParameters(llm, software_, ranks, ranks));
}

/// Reads gradients, weights and optimizer state once and writes the latter two; fp16 reads and writes the gradients
/// once more to take the loss scale off and to find overflows. A distributed optimizer does so for its share of the
/// parameters.
Seconds CostModel::OptimizerStep(const ModulePart& part, int copies, KindId kind) const {
  DFLOP_CHECK(copies > 0, "a part has a copy");
  const int ranks = ShardRanks(software_, software_.sharding_of(model_.is_llm(part.module)), copies);
  const double trainable = CountOnRank(model_, software_, part, part.mesh.tp).trainable;
  const double unscaling = software_.precision == Precision::kFp16 ? 2 * software_.gradient_bytes : 0;
  const double moved = 2 * software_.bytes_per_parameter - software_.gradient_bytes + unscaling;
  return kernels(kind).MemoryBound(Bytes(moved * trainable / ranks)).time;
}

}  // namespace dflop
