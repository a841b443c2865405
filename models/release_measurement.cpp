// The grid of sizes and the layer counts are the release's own.
#include "models/release_measurement.hpp"

#include "models/profiled_batches.hpp"

namespace dflop {
namespace {

constexpr double kGibibyte = 1024.0 * 1024 * 1024;
constexpr int kEncoderLayers = 16;
constexpr int kLlmLayers = 4;
constexpr double kMemoryTiles = 2;
constexpr double kMemoryTokens = 1024;

std::vector<int> Degrees(const CostModel& cost, int module) {
  const int node = cost.cluster().smallest_domain();
  std::vector<int> degrees;
  for (const int tp : {1, 2, 4, 8}) {
    if (cost.model().shape(module).heads % tp == 0 && tp <= node && node % tp == 0) degrees.push_back(tp);
  }
  return degrees;
}

ModulePart Part(int module, int layers, int tp) {
  return {
      .module = module, .first_layer = 0, .layers = layers, .has_input = true, .has_output = true, .mesh = {.tp = tp}};
}

/// The job as the profiler runs it with so many ranks.
CostModel Profiled(const CostModel& cost, int tp, bool tp1_without_recompute) {
  SoftwareStack software = cost.software();
  if (tp1_without_recompute) software.recompute = tp == 1 ? Recompute::kNone : Recompute::kFull;
  return cost.With(software);
}

ReleaseProfile::Memory MemoryOf(const CostModel& cost, const ModulePart& part, const SequenceBatch& batch) {
  const StateMemory state = cost.State(part, 1);
  const double state_gib = (state.weights + state.gradients + state.optimizer).value() / kGibibyte;
  return {.layers = part.layers,
          .tp = part.mesh.tp,
          .model_gib = state_gib,
          .forward_gib = cost.Activations(part, batch).value() / kGibibyte,
          .state_gib = state_gib};
}

void MeasureEncoder(const CostModel& cost, int tp, ReleaseProfile& profile) {
  const EncoderSpec& encoder = cost.model().encoders.front();
  for (const double tiles : {1, 2, 4, 8, 16, 32, 64}) {
    const Seconds time = TimeOf(cost.Part(Part(0, kEncoderLayers, tp), EncoderBatch(encoder, tiles)));
    profile.encoder.push_back({tiles, time.value() * 1e3, kEncoderLayers, tp});
  }
  for (const int layers : {4, 8}) {
    ReleaseProfile::Memory memory = MemoryOf(cost, Part(0, layers, tp), EncoderBatch(encoder, kMemoryTiles));
    memory.batch = kMemoryTiles;
    profile.encoder_memory.push_back(memory);
  }
}

void MeasureLlm(const CostModel& cost, int tp, ReleaseProfile& profile) {
  const int llm = cost.model().llm_module();
  const CostModel device = WithoutHost(cost);
  const ModulePart part = Part(llm, kLlmLayers, tp);
  for (const double tokens : {1024, 2048, 4096, 8192}) {
    const Seconds skipped = TimeOf(cost.Part(part, WithoutAttention(tokens)));
    const Seconds attention =
        TimeOf(device.Part(part, OneSequence(tokens))) - TimeOf(device.Part(part, WithoutAttention(tokens)));
    profile.llm.push_back({tokens, (skipped + attention).value() * 1e3, kLlmLayers, tp});
    profile.llm_without_attention.push_back({tokens, skipped.value() * 1e3, kLlmLayers, tp});
  }
  for (const int layers : {3, 4}) {
    ReleaseProfile::Memory memory = MemoryOf(cost, Part(llm, layers, tp), OneSequence(kMemoryTokens));
    memory.batch = 1;
    memory.length = kMemoryTokens;
    profile.llm_memory.push_back(memory);
  }
}

}  // namespace

ReleaseProfile MeasureAsReleased(const CostModel& cost, const std::vector<SampleShape>& samples,
                                 bool tp1_without_recompute) {
  ReleaseProfile profile;
  const bool has_encoder = !cost.model().encoders.empty();
  if (has_encoder) {
    for (const int tp : Degrees(cost, 0)) MeasureEncoder(Profiled(cost, tp, tp1_without_recompute), tp, profile);
  }
  for (const int tp : Degrees(cost, cost.model().llm_module())) {
    MeasureLlm(Profiled(cost, tp, tp1_without_recompute), tp, profile);
  }
  for (const SampleShape& sample : samples) {
    if (has_encoder) profile.tiles.push_back(sample.tiles.front());
    profile.llm_tokens.push_back(sample.llm_tokens);
  }
  return profile;
}

}  // namespace dflop
