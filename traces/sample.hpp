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
  int video_frames = 0;  ///< frames after sampling, of all clips
  int videos = 1;        ///< clips that the frames are of, where there are any
  double audio_s = 0.0;  ///< of all clips
  int audios = 1;        ///< clips of equal length that the seconds are of, where there are any
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
  int estimated_texts = 0;  ///< samples whose text tokens nobody counted
  int mismatched = 0;       ///< records that a lenient import took although media, keys and placeholders disagree
};

/// "text tokens of 3 samples estimated", and what else a reader must know of the set; "" when there is nothing.
std::string Provisos(const SampleSet& set);

}  // namespace dflop
