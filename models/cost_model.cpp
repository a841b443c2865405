// Puts a part's cost together: its layers, its ends, and the gradients that it has to compute.
#include "models/cost_model.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.hpp"
#include "models/context_parallel.hpp"
#include "models/flop_count.hpp"
#include "models/gradient_flow.hpp"
#include "models/layer_costs.hpp"
#include "models/network/node_collectives.hpp"
#include "models/stage_ends.hpp"

namespace dflop {
namespace {

OperationCost Times(OperationCost cost, double count) {
  cost.time *= count;
  cost.tensor_parallel_communication *= count;
  cost.context_parallel_communication *= count;
  cost.extrapolated *= count;
  cost.expert_communication *= count;
  return cost;
}

/// What a layer runs again before its backward.
OperationCost Recomputed(const LayerCosts& layer, const OperationCost& forward, const SoftwareStack& software) {
  switch (software.recompute) {
    case Recompute::kNone:
      return {};
    case Recompute::kSelective:
      return layer.RecomputedAttention();
    case Recompute::kFull:
      return software.recompute_share == 1 ? forward : Times(forward, software.recompute_share);
  }
  CheckFailed("known recompute", __FILE__, __LINE__, "every way to recompute is handled");
}

/// The Llama family turns queries and keys of a sequence; GPT, ViT and Whisper learn their positions.
LayerKind KindOf(const ModelSpec& model, int module, LayerTraits traits, const GradientFlow& flow) {
  const bool is_llm = model.is_llm(module);
  const bool orders = is_llm && !traits.crosses;
  return {orders, orders && model.llm.shape.gated_ffn, flow.media_backward, traits};
}

VariantCost CostOfVariant(const LayerCosts& layer, const GradientFlow& flow, const SoftwareStack& software) {
  VariantCost cost;
  cost.forward = layer.Forward();
  if (flow.layers_backward) {
    cost.input_gradient = layer.InputGradient();
    cost.recomputed = Recomputed(layer, cost.forward, software);
  }
  if (flow.layers_train) cost.weight_gradient = layer.WeightGradient();
  if (!flow.layers_train && flow.adapters_train) cost.weight_gradient = layer.AdapterGradient();
  return cost;
}

EndCosts Ends(const Place& place, const ModelSpec& model, const ModulePart& part, double tokens) {
  EndCosts costs;
  if (model.is_llm(part.module)) {
    if (part.has_input) costs += CostOfTokenEmbedding(place, model.llm, tokens);
    const GradientFlow flow = GradientsOf(model, part.module);
    if (part.has_output) costs += CostOfLlmOutput(place, model.llm, flow, tokens);
    for (int i = 0; part.has_output && i < model.llm.multi_token_depth; ++i) {
      costs += CostOfTokenEmbedding(place, model.llm, tokens);
      costs += CostOfMultiToken(place, model.llm, flow, tokens);
      costs += CostOfLlmOutput(place, model.llm, flow, tokens);
    }
  } else {
    const EncoderSpec& encoder = model.encoders[static_cast<std::size_t>(part.module)];
    if (part.has_input) costs += CostOfPatchEmbedding(place, encoder, tokens);
    if (part.has_output) costs += CostOfEncoderOutput(place, encoder, model.llm.shape.hidden, tokens);
  }
  return costs;
}

}  // namespace

OperationCost& OperationCost::operator+=(const OperationCost& other) {
  time += other.time;
  tensor_parallel_communication += other.tensor_parallel_communication;
  context_parallel_communication += other.context_parallel_communication;
  extrapolated += other.extrapolated;
  expert_communication += other.expert_communication;
  return *this;
}

CostModel::CostModel(ModelSpec model, ClusterSpec cluster, std::vector<std::shared_ptr<const KernelCosts>> kernels,
                     SoftwareStack software)
    : model_(std::move(model)),
      cluster_(std::move(cluster)),
      kernels_(std::move(kernels)),
      software_(std::move(software)) {
  DFLOP_CHECK(static_cast<int>(kernels_.size()) == cluster_.kinds(), "kernel costs for every kind of nodes");
  for (const auto& costs : kernels_) DFLOP_CHECK(costs != nullptr, "a cost model needs kernel costs");
}

CostModel::CostModel(ModelSpec model, ClusterSpec cluster, std::shared_ptr<const KernelCosts> kernels,
                     SoftwareStack software)
    : CostModel(std::move(model), std::move(cluster), std::vector{std::move(kernels)}, std::move(software)) {}

namespace {

// The mean of many microbatches need not hold whole tiles; then nothing is rounded.
SequenceBatch MostTiles(const EncoderSpec& encoder, int groups, const SequenceBatch& batch) {
  const double tiles = batch.tokens / encoder.tokens_per_tile();
  const double even = tiles / groups;
  return EncoderBatch(encoder, tiles == std::floor(tiles) ? std::ceil(even) : even);
}

}  // namespace

ModulePart DividedFor(ModulePart part, const SequenceBatch& batch) {
  if (batch.context_ranks > 0) part.mesh.cp = batch.context_ranks;
  return part;
}

namespace {

/// `rank`: of the sets of ranks that run different sequences, which counts.
SequenceBatch Share(const ModelSpec& model, const SoftwareStack& software, const ModulePart& part,
                    const SequenceBatch& batch, double (*rank)(const ContextSet&)) {
  const Mesh& mesh = part.mesh;
  if (batch.context_ranks > 0 && batch.context_ranks < mesh.cp) {
    const std::vector<ContextSet> sets = DealOverContextSets(model, part.module, batch, mesh.cp / batch.context_ranks);
    const auto most = std::max_element(sets.begin(), sets.end(),
                                       [&](const ContextSet& a, const ContextSet& b) { return rank(a) < rank(b); });
    if (batch.context_ranks == 1) return most->batch;
    return ShareOfContext(most->batch, batch.context_ranks, software.context_parallel);
  }
  if (mesh.cp > 1) return ShareOfContext(batch, mesh.cp, software.context_parallel);
  if (mesh.data_split == 1) return batch;
  return MostTiles(model.encoders[static_cast<std::size_t>(part.module)], mesh.data_split, batch);
}

}  // namespace

SequenceBatch BusiestShare(const ModelSpec& model, const SoftwareStack& software, const ModulePart& part,
                           const SequenceBatch& batch) {
  return Share(model, software, part, batch, [](const ContextSet& set) { return set.work; });
}

SequenceBatch FullestShare(const ModelSpec& model, const SoftwareStack& software, const ModulePart& part,
                           const SequenceBatch& batch) {
  return Share(model, software, part, batch, [](const ContextSet& set) { return set.batch.tokens; });
}

LayerCounts CostModel::Layers(const ModulePart& part) const {
  const TransformerShape& shape = model_.shape(part.module);
  LayerCounts counts = CountLayers(shape, part.first_layer, part.layers);
  if (part.has_output && model_.is_llm(part.module) && model_.llm.multi_token_depth > 0) {
    const LayerTraits last = TraitsOfLayer(shape, shape.layers - 1);
    counts.of[static_cast<std::size_t>(last.variant())] += model_.llm.multi_token_depth;
  }
  return counts;
}

LayerCost CostModel::Layer(const ModulePart& part, const SequenceBatch& whole, KindId kind) const {
  LayerCost cost;
  if (whole.empty() || Layers(part).total() == 0) return cost;
  const SequenceBatch batch = BusiestShare(model_, software_, part, whole);
  const Place place{kernels(kind), cluster_.node_of_kind(kind), software_, DividedFor(part, whole).mesh};
  const GradientFlow flow = GradientsOf(model_, part.module);
  const TransformerShape& shape = model_.shape(part.module);
  ForEachVariant(CountLayers(shape, 0, shape.layers), [&](LayerTraits traits, int) {
    const LayerCosts layer(place, shape, KindOf(model_, part.module, traits, flow), batch);
    cost.variants.resize(static_cast<std::size_t>(traits.variant()) + 1);
    cost.variants.back() = CostOfVariant(layer, flow, software_);
  });
  return cost;
}

PartCost CostModel::Part(const ModulePart& part, const SequenceBatch& whole, const LayerCost& layer,
                         KindId kind) const {
  PartCost cost;
  if (whole.empty()) return cost;
  const SequenceBatch batch = BusiestShare(model_, software_, part, whole);
  const Place place{kernels(kind), cluster_.node_of_kind(kind), software_, DividedFor(part, whole).mesh};
  const EndCosts ends = Ends(place, model_, part, batch.tokens);
  cost.forward = ends.forward;
  cost.backward = ends.input_gradient;
  cost.weight_gradient = ends.weight_gradient;
  ForEachVariant(Layers(part), [&](LayerTraits traits, int layers) {
    const auto variant = static_cast<std::size_t>(traits.variant());
    DFLOP_CHECK(variant < layer.variants.size(), "a layer of this module was priced for this microbatch");
    const VariantCost& one = layer.variants[variant];
    cost.forward += Times(one.forward, layers);
    cost.backward += Times(one.input_gradient, layers);
    cost.backward += Times(one.recomputed, layers);
    cost.weight_gradient += Times(one.weight_gradient, layers);
  });
  if (part.has_output && part.mesh.data_split > 1) {
    const double tiles = whole.tokens / model_.encoders[static_cast<std::size_t>(part.module)].tokens_per_tile();
    const Seconds gather = IntraNodeAllGather(place.node, part.mesh.data_split, ProjectedBytes(part.module, tiles));
    cost.forward.time += gather;
    cost.forward.tensor_parallel_communication += gather;
  }
  const FlopCount flops = CountFlops(model_, software_, part, Layers(part), whole);
  cost.model_flops = flops.model;
  cost.hardware_flops = flops.model + flops.recomputed;
  return cost;
}

bool CostModel::NeedsBackward(const ModulePart& part) const {
  const GradientFlow flow = GradientsOf(model_, part.module);
  return flow.layers_backward || (part.has_output && flow.projector_backward);
}

Bytes CostModel::BoundaryBytes(int module, const SequenceBatch& batch, int next) const {
  const TransformerShape& shape = model_.shape(module);
  double vectors = batch.tokens;
  if (!model_.is_llm(module)) vectors *= model_.encoders[static_cast<std::size_t>(module)].outputs_before(next);
  if (shape.has_cross_layers() && shape.cross_layers.back() >= next) vectors += batch.media_tokens();
  return Bytes(vectors * shape.hidden * kElementBytes);
}

Bytes CostModel::BoundaryGradientBytes(int module, const SequenceBatch& batch, int next) const {
  if (!model_.is_llm(module) || GradientsOf(model_, module).media_backward) return BoundaryBytes(module, batch, next);
  return Bytes(batch.tokens * model_.shape(module).hidden * kElementBytes);
}

Bytes CostModel::ProjectedBytes(int encoder, double tiles) const {
  const EncoderSpec& spec = model_.encoders[static_cast<std::size_t>(encoder)];
  return Bytes(tiles * spec.projected_tokens_per_tile() * model_.llm.shape.hidden * kElementBytes);
}

}  // namespace dflop
