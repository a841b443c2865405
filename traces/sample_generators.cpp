// The generators and their list. A generator is a content type: its constructor declares the parameters, Draw makes one
// example.
#include "traces/sample_generators.hpp"

#include <array>
#include <cmath>
#include <numeric>

#include "base/error.hpp"
#include "traces/internvl_sft.hpp"
#include "traces/sample_contents.hpp"
#include "traces/sample_record.hpp"

namespace dflop {
namespace {

constexpr double kMaxShare = 1e9;

/// Photographs, diagrams and infographics with one image each; the sets that DFLOP names (arXiv 2603.25120, table 2).
class SingleImage {
 public:
  explicit SingleImage(GeneratorParameters& parameters)
      : shares_{parameters.Number("photo_share", 28, 0, kMaxShare),
                parameters.Number("diagram_share", 18, 0, kMaxShare),
                parameters.Number("infographic_share", 19, 0, kMaxShare)},
        sizes_{ImageSizes(parameters, "photo", {800, 0.45, 0.75, 0.3}),
               ImageSizes(parameters, "diagram", {580, 0.35, 0.74, 0.35}),
               ImageSizes(parameters, "infographic", {1000, 0.35, 2.6, 0.5})} {}

  double share() const { return shares_[0] + shares_[1] + shares_[2]; }
  const ImageSizes& photos() const { return sizes_[0]; }
  ImageSize Draw(RandomStream& random) const {
    double point = random.Uniform() * share();
    std::size_t kind = 0;
    while (kind < 2 && point >= shares_[kind]) point -= shares_[kind++];
    return sizes_[kind].Draw(random);
  }

 private:
  std::array<double, 3> shares_;
  std::array<ImageSizes, 3> sizes_;
};

class SingleImages {
 public:
  explicit SingleImages(GeneratorParameters& parameters) : image_(parameters), text_(parameters) {
    parameters.Require(image_.share() > 0, "every share is 0");
  }
  Sample Draw(RandomStream& random) const {
    Sample sample{.images = {image_.Draw(random)}};
    sample.text_tokens = text_.Draw(random);
    return sample;
  }

 private:
  SingleImage image_;
  TextLength text_;
};

std::vector<ImageSize> DrawImages(const ImageCount& count, const ImageSizes& sizes, RandomStream& random) {
  std::vector<ImageSize> images(static_cast<std::size_t>(count.Draw(random)));
  for (ImageSize& image : images) image = sizes.Draw(random);
  return images;
}

class MultiImages {
 public:
  explicit MultiImages(GeneratorParameters& parameters)
      : count_(parameters), sizes_(parameters, "photo", {800, 0.45, 0.75, 0.3}), text_(parameters) {}
  Sample Draw(RandomStream& random) const {
    Sample sample{.images = DrawImages(count_, sizes_, random)};
    sample.text_tokens = text_.Draw(random);
    return sample;
  }

 private:
  ImageCount count_;
  ImageSizes sizes_;
  TextLength text_;
};

class Videos {
 public:
  explicit Videos(GeneratorParameters& parameters) : frames_(parameters), text_(parameters) {}
  Sample Draw(RandomStream& random) const {
    Sample sample{.video_frames = frames_.Draw(random)};
    sample.text_tokens = text_.Draw(random);
    return sample;
  }

 private:
  ClipFrames frames_;
  TextLength text_;
};

class DflopMix {
 public:
  explicit DflopMix(GeneratorParameters& parameters)
      : single_(parameters),
        multi_share_(parameters.Number("multi_image_share", 60, 0, kMaxShare)),
        count_(parameters),
        video_share_(parameters.Number("video_share", 60, 0, kMaxShare)),
        frames_(parameters),
        text_(parameters) {
    parameters.Require(total_share() > 0, "every share is 0");
  }
  Sample Draw(RandomStream& random) const {
    const double point = random.Uniform() * total_share();
    Sample sample;
    if (point < single_.share()) {
      sample.images = {single_.Draw(random)};
    } else if (point < single_.share() + multi_share_) {
      sample.images = DrawImages(count_, single_.photos(), random);
    } else {
      sample.video_frames = frames_.Draw(random);
    }
    sample.text_tokens = text_.Draw(random);
    return sample;
  }

 private:
  double total_share() const { return single_.share() + multi_share_ + video_share_; }

  SingleImage single_;
  double multi_share_;
  ImageCount count_;
  double video_share_;
  ClipFrames frames_;
  TextLength text_;
};

/// Speech and its transcript. The defaults lie between read books (LibriSpeech: median 14 s, 2.7 words/s) and short
/// sentences (Common Voice: 4.4 s, 1.6 words/s): a lognormal fitted to both in equal parts, 2.1 words/s.
class Audio {
 public:
  explicit Audio(GeneratorParameters& parameters)
      : seconds_{.median = parameters.Number("audio_median_s", 7.4, 0.01, kMaxAudioSeconds),
                 .sigma = parameters.Number("audio_sigma", 0.61, 0, 3),
                 .min = parameters.Number("audio_min_s", 0.5, 0.001, kMaxAudioSeconds),
                 .max = parameters.Number("audio_max_s", 30, 0.001, kMaxAudioSeconds)},
        prompt_tokens_(parameters.Int("prompt_tokens", 20, 0, kMaxTokens)),
        transcript_tokens_per_s_(parameters.Number("transcript_tokens_per_s", 2.8, 0, 90)) {
    parameters.Require(seconds_.min <= seconds_.max, "audio_min_s is larger than audio_max_s");
  }
  Sample Draw(RandomStream& random) const {
    Sample sample{.audio_s = seconds_.Draw(random)};
    sample.text_tokens = prompt_tokens_ + static_cast<int>(std::lround(sample.audio_s * transcript_tokens_per_s_));
    return sample;
  }

 private:
  LogNormal seconds_;
  int prompt_tokens_;
  double transcript_tokens_per_s_;
};

class TextOnly {
 public:
  explicit TextOnly(GeneratorParameters& parameters) : text_(parameters, 1000, 0.81) {}
  Sample Draw(RandomStream& random) const { return {.text_tokens = text_.Draw(random)}; }

 private:
  TextLength text_;
};

class Fixed {
 public:
  explicit Fixed(GeneratorParameters& parameters) {
    const int images = parameters.Int("images_per_sample", 0, 0, kMaxImages);
    const ImageSize size{parameters.Int("image_width_px", 640, 1, kMaxPixels),
                         parameters.Int("image_height_px", 480, 1, kMaxPixels)};
    sample_.images.assign(static_cast<std::size_t>(images), size);
    sample_.video_frames = parameters.Int("video_frames", 0, 0, kMaxFrames);
    sample_.audio_s = parameters.Number("audio_s", 0, 0, kMaxAudioSeconds);
    sample_.text_tokens = parameters.Int("text_tokens", 0, 0, kMaxTokens);
    ReadDirect(parameters);
    parameters.Require(HoldsAnything(sample_), "\"fixed\" needs content, for example \"text_tokens\": 2048");
  }
  Sample Draw(RandomStream&) const { return sample_; }

 private:
  void ReadDirect(GeneratorParameters& parameters) {
    const int tiles = parameters.Int("tiles", 0, 0, kMaxTiles);
    const int llm_tokens = parameters.Int("llm_tokens", 0, 0, kMaxTokens);
    if (!parameters.Given("tiles") && !parameters.Given("llm_tokens")) return;
    parameters.Require(!HoldsAnything(sample_), "tiles and llm_tokens say everything: give nothing beside them");
    parameters.Require(llm_tokens > 0, "tiles needs llm_tokens beside it, at least 1");
    sample_.direct = {.tiles = tiles, .llm_tokens = llm_tokens};
  }
  Sample sample_;
};

std::string Describe(const std::string& origin, const std::string& values) {
  return values.empty() ? origin : origin + " [" + values + "]";
}

template <typename Content>
class Generator final : public SampleSource {
 public:
  Generator(std::string name, const std::string& origin, GeneratorParameters parameters)
      : name_(std::move(name)),
        content_(parameters),
        identity_(Describe(name_, parameters.Describe())),
        description_(Describe(origin, parameters.Describe())) {
    parameters.AllowOnlyDeclared();
  }
  Sample Draw(RandomStream& random) const override { return content_.Draw(random); }
  std::string name() const override { return name_; }
  std::string identity() const override { return identity_; }
  std::string description() const override { return description_; }

 private:
  std::string name_;
  Content content_;
  std::string identity_;
  std::string description_;
};

struct Entry {
  std::string name;
  std::string origin;
  std::unique_ptr<SampleSource> (*make)(const Entry& entry, GeneratorParameters parameters);
  void (*declare)(GeneratorParameters& parameters);
};

template <typename Content>
Entry MakeEntry(const std::string& name, const std::string& origin) {
  return {name, origin,
          [](const Entry& entry, GeneratorParameters parameters) -> std::unique_ptr<SampleSource> {
            return std::make_unique<Generator<Content>>(entry.name, entry.origin, std::move(parameters));
          },
          [](GeneratorParameters& parameters) { Content{parameters}; }};
}

const std::vector<Entry>& Entries() {
  static const std::vector<Entry> entries{
      MakeEntry<DflopMix>(
          "dflop-mix",
          "the five sets of arXiv 2603.25120, table 2, in their shares; sizes and lengths are assumptions, "
          "as no per-sample record is open"),
      MakeEntry<SingleImages>("single-image",
                              "the three single-image sets of dflop-mix: photographs, diagrams, infographics"),
      MakeEntry<MultiImages>("multi-image", "the multi-image set of dflop-mix (M4-Instruct): 2 + geometric images"),
      MakeEntry<Videos>("video", "the video set of dflop-mix (LLaVA-Video up to 30 s), one frame per second"),
      MakeEntry<Audio>("audio", "speech with its transcript; lengths between LibriSpeech and Common Voice"),
      MakeEntry<TextOnly>("text-only",
                          "lognormal fitted to the conversations of the Azure LLM trace 2023 (prompt + answer)"),
      MakeEntry<Fixed>("fixed", "every sample is the same"),
      MakeEntry<InternVlSft>("internvl-sft",
                             "tiles × text tokens of AI2D, ChartQA, DocVQA and SynthDoG-en under InternVL's tiling, "
                             "summarised from the records published with OmniBal (arXiv 2407.20761)"),
  };
  return entries;
}

const Entry& FindEntry(const JsonReader& json) {
  const std::string name = json.String();
  std::vector<std::string> names;
  for (const Entry& entry : Entries()) {
    if (entry.name == name) return entry;
    names.push_back(entry.name);
  }
  const std::string nearest = NearestName(name, names);
  json.Fail("no sample generator is called " + JsonQuote(name) + ", there are: " + JoinNames(names) +
            (nearest.empty() ? "" : " (did you mean " + JsonQuote(nearest) + "?)"));
}

std::vector<std::pair<std::string, double>> DeclaredBy(const Entry& entry) {
  GeneratorParameters parameters(GeneratorParameters::Purpose::kListing);
  entry.declare(parameters);
  return parameters.declared();
}

}  // namespace

const std::vector<GeneratorInfo>& SampleGenerators() {
  static const std::vector<GeneratorInfo> infos = [] {
    std::vector<GeneratorInfo> list;
    for (const Entry& entry : Entries()) list.push_back({entry.name, entry.origin, DeclaredBy(entry)});
    return list;
  }();
  return infos;
}

std::unique_ptr<SampleSource> ReadSampleGenerator(const JsonReader& json) {
  if (json.IsString()) {
    const Entry& entry = FindEntry(json);
    return entry.make(entry, GeneratorParameters(GeneratorParameters::Purpose::kUse));
  }
  const Entry& entry = FindEntry(json.At("name"));
  return entry.make(entry, GeneratorParameters(json));
}

}  // namespace dflop
