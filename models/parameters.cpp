// Parameters of a part of a module, and the state that training keeps for them.
//
// Two families of layers are told apart by the gate in their FFN: gated ones (Llama, Qwen) have RMS norms and no
// biases; the others (GPT, ViT, Whisper) have layer norms and biases everywhere, which makes the 12·h² + 13·h
// parameters a layer of arXiv 2104.04473, section 5.1. Qwen's QKV biases and class tokens are left out (< 0.01 %).
#include <algorithm>

#include "base/error.hpp"
#include "models/adapters.hpp"
#include "models/cost_model.hpp"
#include "models/sharding.hpp"
#include "models/tensor_parallel.hpp"

namespace dflop {
namespace {

constexpr double kWeightBytes = 2;  // bf16 or fp16

/// What parameters are divided by.
struct Cuts {
  int tp = 1;
  int ep = 1;
  int etp = 1;
};

void AddDense(ParameterCount& count, double parameters, bool frozen) {
  count.dense += parameters;
  count.dense_trainable += frozen ? 0 : parameters;
}

void AddExperts(ParameterCount& count, double parameters, bool frozen) {
  count.experts += parameters;
  count.experts_trainable += frozen ? 0 : parameters;
}

double NormParameters(const TransformerShape& shape) { return shape.gated_ffn ? shape.hidden : 2.0 * shape.hidden; }

/// Down to latents, which every rank holds whole with their norms, and up to its heads.
double LatentParameters(const TransformerShape& shape, const RankShape& rank) {
  const LatentAttention& latent = shape.latent;
  const double hidden = shape.hidden;
  const double queries =
      latent.q_rank > 0 ? latent.q_rank * (hidden + rank.query_width + 1) : hidden * rank.query_width;
  const double down = hidden * (latent.kv_rank + latent.rope_head_dim);
  return queries + down + latent.kv_rank * (rank.latent_kv_width + 1);
}

/// One layer on one of `tp` tensor-parallel ranks but for its experts. Norms, the router and the biases after a
/// reduction are replicated.
double DenseParameters(const TransformerShape& shape, LayerTraits traits, int tp) {
  const RankShape rank(shape, tp);
  const double hidden = shape.hidden;
  const ExpertSpec& experts = shape.experts;
  const FfnWidths ffn(
      traits.experts ? static_cast<double>(experts.shared) * experts.ffn_hidden : static_cast<double>(shape.ffn_hidden),
      tp, shape.gated_ffn);
  const double qkv = shape.latent.empty() ? hidden * rank.qkv_width : LatentParameters(shape, rank);
  const double matrices = qkv + rank.attended_width * hidden + hidden * ffn.up + ffn.inner * hidden;
  const double biases = shape.gated_ffn ? 0 : rank.qkv_width + ffn.up + 2 * hidden;
  const double router = traits.experts ? hidden * experts.count : 0;
  return matrices + biases + 2 * NormParameters(shape) + router;
}

/// Those experts of one layer that one of ep · etp ranks holds.
double ExpertParameters(const TransformerShape& shape, const Cuts& cuts) {
  const ExpertSpec& experts = shape.experts;
  const FfnWidths ffn(experts.ffn_hidden, cuts.etp, shape.gated_ffn);
  const double biases = shape.gated_ffn ? 0 : ffn.up + shape.hidden;
  return static_cast<double>(experts.count) / cuts.ep * (shape.hidden * (ffn.up + ffn.inner) + biases);
}

void AddAdapters(const TransformerShape& shape, LayerTraits traits, int layers, const Cuts& cuts,
                 ParameterCount& count) {
  const double unit = static_cast<double>(layers) * shape.lora.rank;
  const RankShape rank(shape, cuts.tp);
  AddDense(count, unit * WidthOf(AttentionAdapters(shape, rank)), false);
  if (!traits.experts) return AddDense(count, unit * WidthOf(FfnAdapters(shape, rank.ffn_width)), false);
  const ExpertSpec& experts = shape.experts;
  const double shared = static_cast<double>(experts.shared) * experts.ffn_hidden / cuts.tp;
  AddDense(count, unit * WidthOf(FfnAdapters(shape, shared)), false);
  const double one = WidthOf(FfnAdapters(shape, static_cast<double>(experts.ffn_hidden) / cuts.etp));
  AddExperts(count, unit * experts.count / cuts.ep * one, false);
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

void AddEncoderEnds(const ModelSpec& model, const ModulePart& part, int ranks, ParameterCount& count) {
  const EncoderSpec& encoder = model.encoders[static_cast<std::size_t>(part.module)];
  if (part.has_input) AddDense(count, PatchParameters(encoder), encoder.frozen);
  if (!part.has_output) return;
  AddDense(count, NormParameters(encoder.shape), encoder.frozen);
  AddDense(count, ProjectorParameters(encoder, model.llm.shape.hidden, ranks), encoder.projector_frozen);
}

/// Of one of `ranks` ranks; `split` is how many the vocabulary is padded for.
double EmbeddingParameters(const LlmSpec& llm, const SoftwareStack& software, int split, int ranks) {
  return PaddedVocabulary(llm.vocab, software.vocabulary_multiple, split) * llm.shape.hidden / ranks;
}

/// A tied head is the embedding itself where both lie in one part, otherwise a copy of it (as Megatron-LM keeps), and
/// so is the table in which multi-token prediction looks up the next token. Its norms and projection are its own.
void AddLlmEnds(const LlmSpec& llm, const SoftwareStack& software, const ModulePart& part, int ranks,
                ParameterCount& count) {
  const double embedding = EmbeddingParameters(llm, software, part.mesh.tp, ranks);
  if (part.has_input) AddDense(count, embedding, llm.frozen);
  if (!part.has_output) return;
  AddDense(count, NormParameters(llm.shape), llm.frozen);
  if (!(part.has_input && llm.tied_embeddings)) AddDense(count, embedding, llm.frozen);
  if (llm.multi_token_depth == 0) return;
  if (!part.has_input && !llm.tied_embeddings) AddDense(count, embedding, llm.frozen);
  const double hidden = llm.shape.hidden;
  AddDense(count, llm.multi_token_depth * (3 * NormParameters(llm.shape) + 2 * hidden * hidden / ranks), llm.frozen);
}

ParameterCount CountCut(const CostModel& cost, const ModulePart& part, const Cuts& cuts) {
  const ModelSpec& model = cost.model();
  const bool is_llm = model.is_llm(part.module);
  const bool frozen = is_llm ? model.llm.frozen : model.encoders[static_cast<std::size_t>(part.module)].frozen;
  const TransformerShape& shape = model.shape(part.module);
  ParameterCount count;
  ForEachVariant(cost.Layers(part), [&](LayerTraits traits, int layers) {
    AddDense(count, layers * DenseParameters(shape, traits, cuts.tp), frozen);
    if (traits.experts) AddExperts(count, layers * ExpertParameters(shape, cuts), frozen);
    if (!shape.lora.empty()) AddAdapters(shape, traits, layers, cuts, count);
  });
  if (is_llm) {
    AddLlmEnds(model.llm, cost.software(), part, cuts.tp, count);
  } else {
    AddEncoderEnds(model, part, cuts.tp, count);
  }
  return count;
}

}  // namespace

ParameterCount CostModel::CountParameters(const ModulePart& part) const { return CountCut(*this, part, {}); }

ParameterCount CostModel::CountParametersOnRank(const ModulePart& part) const {
  return CountCut(*this, part, {part.mesh.tp, part.mesh.ep, part.mesh.etp});
}

double CostModel::Parameters(const ModulePart& part) const { return CountParameters(part).total(); }

double CostModel::TrainableParameters(const ModulePart& part) const { return CountParameters(part).trainable(); }

// Gradients that are reduced once a step are whole until then. What is gathered or about to be reduced is whole for a
// while: units and their successors that are gathered ahead, a unit's gradients, or a bucket of them.
StateMemory CostModel::State(const ModulePart& part, int copies) const {
  DFLOP_CHECK(copies > 0, "a part has a copy");
  const bool llm = model_.is_llm(part.module);
  const Sharding level = software_.sharding_of(llm);
  const int ranks = ShardRanks(software_, level, copies);
  const bool reduces = software_.reduces_every_microbatch(llm);
  const double expert_copies = ExpertReplicas(part.mesh, copies);
  const double expert_ranks = level == Sharding::kNone ? 1 : std::min<double>(ranks, expert_copies);
  const ParameterCount count = CountParametersOnRank(part);
  const double optimizer = software_.bytes_per_parameter - kWeightBytes - software_.gradient_bytes;
  StateMemory state;
  const auto divided = [&](double bytes, double dense, double experts) {
    return Bytes(bytes * dense / ranks + bytes * experts / expert_ranks);
  };
  const double gradients = software_.gradient_bytes;
  state.weights = Bytes(kWeightBytes * count.total());
  state.gradients = Bytes(gradients * count.trainable());
  state.optimizer = divided(optimizer, count.dense_trainable, count.experts_trainable);
  if (ranks == 1) return state;
  if (level == Sharding::kParameters) {
    state.buffers = GatheredBytes(part, state.weights) + (reduces ? LargestUnitGradients(part) : Bytes(0));
    state.weights = divided(kWeightBytes, count.dense, count.experts);
  } else if (level == Sharding::kGradients && reduces) {
    state.buffers = std::min(state.gradients, Bytes(software_.bucket_bytes));
  }
  if (level >= Sharding::kGradients && reduces) {
    state.gradients = divided(gradients, count.dense_trainable, count.experts_trainable);
  }
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
  return Bytes(kWeightBytes * CountParametersOnRank(part).total());
}

Bytes CostModel::ExpertWeightBytes(const ModulePart& part) const {
  return Bytes(kWeightBytes * CountParametersOnRank(part).experts);
}

Bytes CostModel::GradientBytes(const ModulePart& part) const {
  return Bytes(software_.gradient_bytes * CountParametersOnRank(part).trainable());
}

Bytes CostModel::ExpertGradientBytes(const ModulePart& part) const {
  return Bytes(software_.gradient_bytes * CountParametersOnRank(part).experts_trainable);
}

Bytes CostModel::TiedGradientBytes(const ModulePart& part) const {
  const LlmSpec& llm = model_.llm;
  const bool copied = llm.tied_embeddings || llm.multi_token_depth > 0;
  if (!model_.is_llm(part.module) || !copied || llm.frozen) return Bytes(0);
  const int ranks = part.mesh.tp;
  return Bytes(software_.gradient_bytes * EmbeddingParameters(llm, software_, ranks, ranks));
}

/// Adam, decoupled decay included, kernel by kernel: tensors read and written over those of one fused pass, which reads
/// gradient, weight and two moments and writes three of them: decay 2, first moment 3, second moment 2 + 3, its root 2,
/// the division by the bias 2, epsilon 2, update 4, of 7.
constexpr double kUnfusedPasses = 20.0 / 7;

/// Reads gradients, weights and optimizer state once and writes the latter two; fp16 reads and writes the gradients
/// once more to take the loss scale off and to find overflows. A distributed optimizer does so for its share of the
/// parameters.
Seconds CostModel::OptimizerStep(const ModulePart& part, int copies, KindId kind) const {
  DFLOP_CHECK(copies > 0, "a part has a copy");
  const Sharding level = software_.sharding_of(model_.is_llm(part.module));
  const int ranks = ShardRanks(software_, level, copies);
  const double expert_ranks = level == Sharding::kNone ? 1 : std::min<double>(ranks, ExpertReplicas(part.mesh, copies));
  const ParameterCount count = CountParametersOnRank(part);
  const double unscaling = software_.precision == Precision::kFp16 ? 2 * software_.gradient_bytes : 0;
  const double clipping = software_.clip_gradients ? software_.gradient_bytes : 0;
  const double update = 2 * software_.bytes_per_parameter - software_.gradient_bytes;
  const double moved = update * (software_.fused_optimizer ? 1 : kUnfusedPasses) + unscaling + clipping;
  const double of_dense = moved * count.dense_trainable / ranks;
  const double of_experts = moved * count.experts_trainable / expert_ranks;
  return kernels(kind).MemoryBound(Bytes(of_dense + of_experts)).time;
}

}  // namespace dflop
