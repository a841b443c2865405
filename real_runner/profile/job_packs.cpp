// One stream of a fixed seed: a profile made again measures the same packs.
#include "real_runner/profile/job_packs.hpp"

#include <algorithm>
#include <memory>

#include "models/sample_shape.hpp"
#include "traces/samples.hpp"

namespace dflop {
namespace {

const char* GeneratorFor(const ModelSpec& model) {
  const bool sees = std::any_of(model.encoders.begin(), model.encoders.end(),
                                [](const EncoderSpec& encoder) { return encoder.modality == Modality::kVision; });
  if (sees) return "dflop-mix";
  return model.encoders.empty() ? "text-only" : "audio";
}

}  // namespace

std::vector<std::vector<std::int64_t>> JobPacks(const ModelSpec& model) {
  const Json name(GeneratorFor(model));
  const std::unique_ptr<SampleSource> source = ReadSampleSource(JsonReader(name, "samples of a profile"));
  RandomStream random(0, "profile packs");
  std::vector<std::vector<std::int64_t>> packs;
  for (const std::size_t samples : {4u, 8u, 16u}) {
    std::vector<std::int64_t>& pack = packs.emplace_back();
    while (pack.size() < samples) {
      const int tokens = ShapeOf(source->Draw(random), model).llm_tokens;
      if (tokens > 0) pack.push_back(tokens);
    }
  }
  return packs;
}

}  // namespace dflop
