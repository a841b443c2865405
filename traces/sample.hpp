// What one training example holds, as it was measured or generated; what a model makes of it is models/sample_shape.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dflop {

struct ImageSize {
  int width_px = 0;
  int height_px = 0;
  bool operator==(const ImageSize&) const = default;
};

/// One training example. Either raw content (images, video, audio, text) or, when only that is known, the shape
/// itself: `tiles` encoded by the encoder and `llm_tokens` seen by the LLM (all of them, text included).
struct Sample {
  std::vector<ImageSize> images{};
  int video_frames = 0;  ///< frames after sampling the clip
  double audio_s = 0.0;
  int text_tokens = 0;
  struct Direct {
    int tiles = 0;
    int llm_tokens = 0;
    bool operator==(const Direct&) const = default;
  };
  std::optional<Direct> direct{};

  bool operator==(const Sample&) const = default;
};

/// A set of examples with its origin.
struct SampleSet {
  std::string name;
  std::string source;  ///< where the figures come from; printed with every result
  std::vector<Sample> samples;
};

}  // namespace dflop
