// The kinds of training examples that generators mix: photographs, diagrams, several images, video, audio, text.
//
// dflop-mix has no open per-sample record; what stands here are the project's assumptions about its sets, every figure
// a parameter. Sizes are lognormal, as image sizes and text lengths of public sets roughly are.
#pragma once

#include "traces/generator_parameters.hpp"
#include "traces/sample.hpp"

namespace dflop {

/// A lognormal quantity, clipped to [min, max].
struct LogNormal {
  double median = 1.0;
  double sigma = 0.0;
  double min = 0.0;
  double max = 0.0;
  double Draw(RandomStream& random) const;
};

/// Text tokens: lognormal, parameters text_tokens_{median,sigma,min}.
class TextLength {
 public:
  explicit TextLength(GeneratorParameters& parameters, double median = 150, double sigma = 0.7);
  int Draw(RandomStream& random) const;

 private:
  LogNormal tokens_;
};

/// Images by width and height/width; parameters <prefix>_{width_median_px,width_sigma,aspect_median,aspect_sigma}.
class ImageSizes {
 public:
  struct Defaults {
    double width_px;
    double width_sigma;
    double aspect;  ///< height over width
    double aspect_sigma;
  };
  ImageSizes(GeneratorParameters& parameters, const std::string& prefix, Defaults defaults);
  ImageSize Draw(RandomStream& random) const;

 private:
  LogNormal width_;
  LogNormal aspect_;
};

/// Images per multi-image sample: 2 + geometric, clipped; parameters images_{extra_mean,max}.
class ImageCount {
 public:
  explicit ImageCount(GeneratorParameters& parameters);
  int Draw(RandomStream& random) const;

 private:
  double extra_mean_;
  int max_;
};

/// Frames of a clip of uniform length; parameters clip_{min,max}_s, frames_per_s, max_frames.
class ClipFrames {
 public:
  explicit ClipFrames(GeneratorParameters& parameters);
  int Draw(RandomStream& random) const;

 private:
  double min_s_;
  double max_s_;
  double frames_per_s_;
  int max_frames_;
};

}  // namespace dflop
