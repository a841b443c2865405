// Attention alone is the difference of two runs on a device that never waits for its host.
#include "models/model_profile.hpp"

#include <algorithm>

#include "models/flop_count.hpp"
#include "models/profiled_batches.hpp"
#include "models/tensor_parallel.hpp"

namespace dflop {
namespace {

ModulePart WholeModule(const CostModel& cost, int module, int tp) {
  return {.module = module,
          .first_layer = 0,
          .layers = cost.model().shape(module).layers,
          .has_input = true,
          .has_output = true,
          .mesh = {.tp = tp}};
}

using Rates = std::vector<ThroughputCurve::Point>;

void ProfileEncoder(const CostModel& cost, const ModulePart& part, const ProfileGrid& grid, ModuleProfile& module,
                    RankProfile& rank) {
  const EncoderSpec& encoder = cost.model().encoders[static_cast<std::size_t>(part.module)];
  Rates rates;
  for (const double tiles : grid.tiles) {
    const PartCost priced = cost.Part(part, EncoderBatch(encoder, tiles));
    rates.push_back({tiles, priced.hardware_flops / TimeOf(priced) / rank.tp});
  }
  rank.linear = ThroughputCurve(std::move(rates));
  rank.activations = cost.Activations(part, EncoderBatch(encoder, 1));
  module.linear_flops = cost.Part(part, EncoderBatch(encoder, 1)).hardware_flops;
}

void ProfileLlm(const CostModel& cost, const ModulePart& part, const ProfileGrid& grid, ModuleProfile& module,
                RankProfile& rank) {
  const CostModel device = WithoutHost(cost);
  ModulePart whole_module = part;
  whole_module.mesh.tp = 1;
  // One count of the work for all degrees, whatever each pads: a rate times its degree then gives back the time.
  const auto work = [&](const SequenceBatch& batch) {
    const FlopCount count = CountFlops(cost.model(), cost.software(), whole_module, cost.Layers(whole_module), batch);
    return count.model + count.recomputed;
  };
  const bool windowed = cost.model().shape(part.module).window > 0;
  const Flops work_per_square = work(OneSequence(1)) - work(WithoutAttention(1));
  Rates linear;
  Rates attention;
  for (const double tokens : grid.tokens) {
    const PartCost skipped = cost.Part(part, WithoutAttention(tokens));
    linear.push_back({tokens, work(WithoutAttention(tokens)) / TimeOf(skipped) / rank.tp});
    const PartCost whole = device.Part(part, OneSequence(tokens));
    const Seconds time = TimeOf(whole) - TimeOf(device.Part(part, WithoutAttention(tokens)));
    const Flops scores = work(OneSequence(tokens)) - work(WithoutAttention(tokens));
    attention.push_back({tokens, scores / time / rank.tp});
    // Whoever reads the curve multiplies the work of one token by length², which windows do not reach.
    if (windowed) attention.back().rate = work_per_square * (tokens * tokens) / time / rank.tp;
  }
  rank.linear = ThroughputCurve(std::move(linear));
  rank.attention = ThroughputCurve(std::move(attention));
  rank.activations = cost.Activations(part, WithoutAttention(1));
  rank.square_activations = cost.Activations(part, OneSequence(1)) - rank.activations;
  module.linear_flops = work(WithoutAttention(1));
  module.attention_flops = work(OneSequence(1)) - module.linear_flops;
}

void ProfileState(const CostModel& cost, ModulePart part, RankProfile& rank) {
  const auto state = [&](int layers, bool first, bool last) {
    part.layers = layers;
    part.has_input = first;
    part.has_output = last;
    return cost.State(part, 1);
  };
  // Layers that are not alike count as their mean.
  const int layers = cost.model().shape(part.module).layers;
  part.first_layer = 0;
  const LayerCounts counts = CountLayers(cost.model().shape(part.module), 0, layers);
  const bool alike = std::count(counts.of.begin(), counts.of.end(), 0) >= kLayerVariants - 1;
  const auto line = [&](auto bytes) {
    const Bytes layer = alike ? bytes(state(1, false, false)) : bytes(state(layers, false, false)) / layers;
    return LayerLine{layer, bytes(state(0, true, false)), bytes(state(0, false, true)), bytes(state(0, true, true))};
  };
  rank.weights_and_gradients = line([](const StateMemory& memory) { return memory.weights + memory.gradients; });
  rank.optimizer = line([](const StateMemory& memory) { return memory.optimizer; });
}

ModuleProfile ProfileModule(const CostModel& cost, int index, const ProfileGrid& grid) {
  ModuleProfile module;
  module.name = cost.model().module_name(index);
  module.is_llm = cost.model().is_llm(index);
  module.layers = cost.model().shape(index).layers;
  module.shards_optimizer = cost.software().shards();
  const int node = cost.cluster().smallest_domain();
  for (const int tp : grid.tensor_parallel) {
    if (!DividesAmong(cost.model(), index, tp) || tp > node || node % tp != 0) continue;
    RankProfile rank;
    rank.tp = tp;
    const ModulePart part = WholeModule(cost, index, tp);
    module.is_llm ? ProfileLlm(cost, part, grid, module, rank) : ProfileEncoder(cost, part, grid, module, rank);
    ProfileState(cost, part, rank);
    module.ranks.push_back(std::move(rank));
  }
  return module;
}

}  // namespace

Seconds ModuleProfile::LinearTime(const RankProfile& rank, double size) const {
  return linear_flops * size / (rank.linear.At(size) * rank.tp);
}

Seconds ModuleProfile::AttentionTime(const RankProfile& rank, double length) const {
  return attention_flops * (length * length) / (rank.attention.At(length) * rank.tp);
}

Bytes ModuleProfile::State(const RankProfile& rank, int stages, int replicas) const {
  const int fullest = (layers + stages - 1) / stages;
  const double share = shards_optimizer ? 1.0 / replicas : 1.0;
  const auto of = [&](Bytes LayerLine::*end) {
    return rank.weights_and_gradients.per_layer * fullest + rank.weights_and_gradients.*end +
           (rank.optimizer.per_layer * fullest + rank.optimizer.*end) * share;
  };
  return stages == 1 ? of(&LayerLine::only) : std::max(of(&LayerLine::first), of(&LayerLine::last));
}

const RankProfile* ModuleProfile::Find(int tp) const {
  const auto found = std::find_if(ranks.begin(), ranks.end(), [tp](const RankProfile& rank) { return rank.tp == tp; });
  return found == ranks.end() ? nullptr : &*found;
}

ModelProfile ProfileModel(const CostModel& cost, const ProfileGrid& grid) {
  ModelProfile profile{cost.model().name, cost.kernels().description(), {}};
  for (int module = 0; module < cost.model().module_count(); ++module) {
    profile.modules.push_back(ProfileModule(cost, module, grid));
  }
  return profile;
}

}  // namespace dflop
