// Whole samples: which encoder takes what, and how many tokens the LLM sees.
//
// Only a lone image is tiled at any resolution. LLaVA-OneVision feeds each of several images as one padded tile with
// one newline token, and a video frame as one tile whose tokens are pooled 2×2 to 14×14 = 196, with one newline token
// at the end of each video (arXiv 2408.03326, section 3.2, and its released code); the code released with DFLOP puts
// one at the end of each row of a frame instead, 210 a frame. InternVL shares the budget of 12 tiles among the images
// and gives a frame one tile. Audio is cut into windows of 30 s, clip by clip; the last one is padded for the encoder
// but its padding does not reach the LLM (Qwen2-Audio, arXiv 2407.10759). Llama 3.2 tiles every image by itself; of
// video it knows nothing, and a frame is one tile here.
#include "models/sample_shape.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "base/json.hpp"
#include "models/tiling.hpp"

namespace dflop {
namespace {

constexpr double kAudioWindowSeconds = 30.0;

[[noreturn]] void FailLacking(const std::string& content, const ModelSpec& model, const std::string& encoder) {
  throw InputError("a sample holds " + content + ", but the model " + JsonQuote(model.name) + " has no " + encoder);
}

bool HasEncoder(const ModelSpec& model, Modality modality) {
  return std::any_of(model.encoders.begin(), model.encoders.end(),
                     [=](const EncoderSpec& encoder) { return encoder.modality == modality; });
}

void CheckModelTakes(const Sample& sample, const ModelSpec& model) {
  const bool vision = HasEncoder(model, Modality::kVision);
  if (!sample.images.empty() && !vision) FailLacking("images", model, "vision encoder");
  if (sample.video_frames > 0 && !vision) FailLacking("video frames", model, "vision encoder");
  if (sample.audio_s > 0 && !HasEncoder(model, Modality::kAudio)) FailLacking("audio", model, "audio encoder");
  if (!sample.direct || sample.direct->tiles == 0) return;
  if (model.encoders.empty()) FailLacking("tiles", model, "encoder");
  if (model.encoders.size() > 1) {
    throw InputError("a sample gives its tiles directly, but the model " + JsonQuote(model.name) + " has " +
                     std::to_string(model.encoders.size()) + " encoders: give images, frames or audio instead");
  }
}

TileCount& operator+=(TileCount& sum, TileCount more) {
  sum.tiles += more.tiles;
  sum.llm_tokens += more.llm_tokens;
  return sum;
}

TileCount InternVlContent(const Sample& sample, const EncoderSpec& encoder) {
  TileCount sum{sample.video_frames, sample.video_frames * encoder.projected_tokens_per_tile()};
  if (sample.images.empty()) return sum;
  const int budget = std::max(1, kInternVlMaxTiles / static_cast<int>(sample.images.size()));
  for (const ImageSize image : sample.images) sum += InternVlTiles(encoder, image, budget);
  return sum;
}

TileCount LlamaContent(const Sample& sample, const EncoderSpec& encoder) {
  TileCount sum{sample.video_frames, sample.video_frames * encoder.projected_tokens_per_tile()};
  for (const ImageSize image : sample.images) sum += TileImage(encoder, image);
  return sum;
}

TileCount LlavaContent(const Sample& sample, const EncoderSpec& encoder) {
  const int side = TokensPerTileSide(encoder);
  const int pooled = (side + 1) / 2;
  const bool row_newlines = encoder.tiling == Tiling::kLlavaOneVisionDflop;
  TileCount sum{sample.video_frames, sample.video_frames * pooled * (row_newlines ? pooled + 1 : pooled)};
  if (sample.video_frames > 0 && !row_newlines) sum.llm_tokens += sample.videos;
  if (sample.images.size() == 1 && sample.video_frames == 0) return TileImage(encoder, sample.images.front());
  const int images = static_cast<int>(sample.images.size());
  return sum += {images, images * (side * side + 1)};
}

/// Rounds up, but not for the last bit of a product: 0.28 s at 25 tokens/s are 7 tokens.
int RoundUp(double count) { return static_cast<int>(std::ceil(count - 1e-9)); }

TileCount AudioContent(const Sample& sample, const EncoderSpec& encoder) {
  const double tokens_per_s = encoder.projected_tokens_per_tile() / kAudioWindowSeconds;
  const int windows = sample.audios * RoundUp(sample.audio_s / sample.audios / kAudioWindowSeconds);
  return {windows, RoundUp(sample.audio_s * tokens_per_s)};
}

TileCount Content(const Sample& sample, const EncoderSpec& encoder) {
  if (encoder.modality == Modality::kAudio) return AudioContent(sample, encoder);
  if (encoder.tiling == Tiling::kLlamaVision) return LlamaContent(sample, encoder);
  return encoder.tiling == Tiling::kInternVl ? InternVlContent(sample, encoder) : LlavaContent(sample, encoder);
}

/// Of a sample that says its tiles, and its LLM tokens by itself.
TileCount DirectContent(const Sample::Direct& direct, const EncoderSpec& encoder, bool crosses) {
  const std::int64_t media = crosses ? std::int64_t{direct.tiles} * encoder.projected_tokens_per_tile() : 0;
  return {direct.tiles, static_cast<int>(std::min<std::int64_t>(media, kMostSampleTokens + 1))};
}

}  // namespace

SampleShape ShapeOf(const Sample& sample, const ModelSpec& model) {
  CheckModelTakes(sample, model);
  SampleShape shape;
  shape.text_tokens = sample.text_tokens;
  shape.llm_tokens = sample.direct ? sample.direct->llm_tokens : sample.text_tokens;
  const bool crosses = model.llm.shape.has_cross_layers();
  int& tokens = crosses ? shape.media_tokens : shape.llm_tokens;
  for (const EncoderSpec& encoder : model.encoders) {
    const TileCount content =
        sample.direct ? DirectContent(*sample.direct, encoder, crosses) : Content(sample, encoder);
    shape.tiles.push_back(std::max(1, content.tiles));  // the dummy tile keeps every rank in the same collectives
    if (content.llm_tokens > kMostSampleTokens - tokens) {
      throw InputError("a sample makes more than 10^9 LLM tokens of the model " + JsonQuote(model.name));
    }
    tokens += content.llm_tokens;
  }
  if (shape.media_tokens > 0) shape.llm_tokens = std::max(shape.llm_tokens, 1);
  return shape;
}

double TokensIn(const ModelSpec& model, int module, const SampleShape& shape) {
  if (model.is_llm(module)) return shape.llm_tokens;
  const auto e = static_cast<std::size_t>(module);
  return static_cast<double>(shape.tiles[e]) * model.encoders[e].tokens_per_tile();
}

}  // namespace dflop
