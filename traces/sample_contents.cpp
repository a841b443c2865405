// The parameters of each kind with their defaults and ranges, and how they are drawn: sizes lognormal, counts of images
// geometric, clips uniform in length.
#include "traces/sample_contents.hpp"

#include <algorithm>
#include <cmath>

#include "traces/sample_record.hpp"

namespace dflop {
namespace {

constexpr double kMaxSigma = 3.0;  // e³ is a factor of 20 at one sigma: beyond, a lognormal describes nothing

int Rounded(double value) { return static_cast<int>(std::lround(value)); }

}  // namespace

double LogNormal::Draw(RandomStream& random) const { return std::clamp(random.LogNormal(median, sigma), min, max); }

TextLength::TextLength(GeneratorParameters& parameters, double median, double sigma)
    : tokens_{.median = parameters.Number("text_tokens_median", median, 1, kMaxTokens),
              .sigma = parameters.Number("text_tokens_sigma", sigma, 0, kMaxSigma),
              .min = static_cast<double>(parameters.Int("text_tokens_min", 20, 1, kMaxTokens)),
              .max = kMaxTokens} {}

int TextLength::Draw(RandomStream& random) const { return Rounded(tokens_.Draw(random)); }

ImageSizes::ImageSizes(GeneratorParameters& parameters, const std::string& prefix, Defaults defaults)
    : width_{.median = parameters.Number(prefix + "_width_median_px", defaults.width_px, 1, kMaxPixels),
             .sigma = parameters.Number(prefix + "_width_sigma", defaults.width_sigma, 0, kMaxSigma),
             .min = 1,
             .max = kMaxPixels},
      aspect_{.median = parameters.Number(prefix + "_aspect_median", defaults.aspect, 0.01, 100),
              .sigma = parameters.Number(prefix + "_aspect_sigma", defaults.aspect_sigma, 0, kMaxSigma),
              .min = 1e-6,
              .max = 1e6} {}

ImageSize ImageSizes::Draw(RandomStream& random) const {
  const double width = width_.Draw(random);
  const double height = std::clamp(width * aspect_.Draw(random), 1.0, static_cast<double>(kMaxPixels));
  return {Rounded(width), Rounded(height)};
}

ImageCount::ImageCount(GeneratorParameters& parameters)
    : extra_mean_(parameters.Number("images_extra_mean", 2.5, 0, kMaxImages)),
      max_(parameters.Int("images_max", 20, 2, kMaxImages)) {}

int ImageCount::Draw(RandomStream& random) const {
  return static_cast<int>(std::min<std::int64_t>(2 + random.Geometric(extra_mean_), max_));
}

ClipFrames::ClipFrames(GeneratorParameters& parameters)
    : min_s_(parameters.Number("clip_min_s", 3, 0, kMaxAudioSeconds)),
      max_s_(parameters.Number("clip_max_s", 30, 0, kMaxAudioSeconds)),
      frames_per_s_(parameters.Number("frames_per_s", 1, 0.001, 1000)),
      max_frames_(parameters.Int("max_frames", 32, 1, kMaxFrames)) {
  parameters.Require(min_s_ <= max_s_, "clip_min_s is larger than clip_max_s");
}

int ClipFrames::Draw(RandomStream& random) const {
  const double seconds = min_s_ + (max_s_ - min_s_) * random.Uniform();
  return static_cast<int>(std::clamp(std::ceil(seconds * frames_per_s_), 1.0, static_cast<double>(max_frames_)));
}

}  // namespace dflop
