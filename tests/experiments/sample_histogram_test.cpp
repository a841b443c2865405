// What `dflop samples inspect` prints.
#include "experiments/profile/sample_histogram.hpp"

#include <gtest/gtest.h>

namespace dflop {
namespace {

bool Holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Three of four samples have 1 tile and 100–199 tokens, one has 3 tiles and 300: shares 75 and 25 percent, the fuller
// cell black, the other one a third of it: two of four shades.
TEST(SampleHistogram, CellsHoldSharesAndMarginals) {
  const std::string text = DrawJointHistogram({{{1}, 100, 0}, {{1}, 100, 0}, {{1}, 100, 0}, {{3}, 109, 0}});
  EXPECT_TRUE(Holds(text, "       1 │ ██ 75.0")) << text;
  EXPECT_TRUE(Holds(text, "▒▒ 25.0    25.0\n")) << text;
  EXPECT_TRUE(Holds(text, "     all │    75.0")) << text;
  EXPECT_TRUE(Holds(text, "100.0\n")) << text;
}

// 200 ordinary samples and one giant: the 99th percentile rules the bins, the giant lands in an open last one.
TEST(SampleHistogram, OneGiantDoesNotSqueezeTheRest) {
  std::vector<SampleShape> shapes;
  shapes.reserve(201);
  for (int i = 0; i < 200; ++i) shapes.push_back({{1 + i % 5}, 100 + i, 0});
  shapes.push_back({{37}, 1'000'000, 0});
  const std::string text = DrawJointHistogram(shapes);
  EXPECT_TRUE(Holds(text, "      ≥5 │")) << text;
  EXPECT_TRUE(Holds(text, "≥280")) << text;
}

TEST(SampleHistogram, StatisticsAreOfAllEncodersTogether) {
  const std::string text = DescribeShapes({{{1, 1}, 10, 0}, {{2, 1}, 20, 0}, {{3, 3}, 60, 0}});
  EXPECT_TRUE(Holds(text, "tiles               3.7          3          6          6")) << text;
  EXPECT_TRUE(Holds(text, "LLM tokens         30.0         20         60         60")) << text;
}

TEST(SampleHistogram, KindsAreCounted) {
  Sample direct;
  direct.direct = {.tiles = 1, .llm_tokens = 1};
  const std::string text = CountKinds({{.images = {{1, 1}}},
                                       {.images = {2, {1, 1}}},
                                       {.video_frames = 1},
                                       {.audio_s = 1},
                                       {.text_tokens = 1},
                                       {.text_tokens = 2},
                                       direct,
                                       {.video_frames = 1, .audio_s = 1}});
  for (const char* kind : {"single image", "multi-image", "audio", "shape only", "video + audio"}) {
    EXPECT_TRUE(Holds(text, kind)) << text;
  }
  EXPECT_TRUE(Holds(text, "text only                             2   25.0 %")) << text;
}

}  // namespace
}  // namespace dflop
