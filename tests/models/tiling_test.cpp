// Tiles and tokens of images and samples, derived by hand from the published rules.
#include "models/tiling.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/random.hpp"

namespace dflop {
namespace {

EncoderSpec Vision(Tiling tiling, int tile_px) {
  EncoderSpec encoder;
  encoder.name = "vision";
  encoder.shape = {.hidden = 1152, .ffn_hidden = 4304, .layers = 27, .heads = 16, .kv_heads = 16};
  encoder.tile_px = tile_px;
  encoder.tiling = tiling;
  return encoder;
}

EncoderSpec Llava() { return Vision(Tiling::kLlavaOneVision, 384); }
EncoderSpec LlavaDflop() { return Vision(Tiling::kLlavaOneVisionDflop, 384); }
EncoderSpec InternVl() { return Vision(Tiling::kInternVl, 448); }
EncoderSpec Whisper() {
  EncoderSpec encoder = Vision(Tiling::kWhisper, 384);
  encoder.modality = Modality::kAudio;
  return encoder;
}

ModelSpec ModelWith(std::vector<EncoderSpec> encoders) {
  ModelSpec model;
  model.name = "test-model";
  model.encoders = std::move(encoders);
  return model;
}

void ExpectTiles(const EncoderSpec& encoder, ImageSize image, int tiles, int llm_tokens) {
  const TileCount count = TileImage(encoder, image);
  EXPECT_EQ(count.tiles, tiles) << image.width_px << "x" << image.height_px;
  EXPECT_EQ(count.llm_tokens, llm_tokens) << image.width_px << "x" << image.height_px;
}

// 2×2 tiles of 384 hold 640×480 enlarged to 768×576: every pixel kept, and no smaller grid keeps all. 54×54 tokens, of
// which the image covers 54 columns and ⌊480·54/640⌋ = 40 rows: 40·54 + 40 newlines = 2200.
TEST(Tiling, VgaImageMakesFiveTiles) { ExpectTiles(LlavaDflop(), {640, 480}, 5, 2200); }

// 3×2 = 1152×768 holds it unscaled. 81×54 tokens, the image covers ⌊1024·54/768⌋ = 72 columns; the padding of 9 is
// halved to 4 on each side, so 73 columns stay: 54·73 + 54 = 3996.
TEST(Tiling, OddPaddingLeavesOneColumnMore) { ExpectTiles(LlavaDflop(), {1024, 768}, 7, 3996); }

// 5×3 = 1920×1152 holds it unscaled. 135×81 tokens, ⌊1080·135/1920⌋ = 75 rows covered: 10,125 tokens are √(10125/6561)
// = 1.2423 times nine tiles' side, more than 1.1, so they shrink to ⌊75/1.2423⌋ = 60 rows of ⌊135/1.2423⌋ = 108: 6540.
TEST(Tiling, FullHdImageMakesSixteenTiles) { ExpectTiles(LlavaDflop(), {1920, 1080}, 16, 6540); }

// Scaled to 2304×1728, which 6×5 holds with less waste than 6×6. 162×135 tokens, 121 rows covered; √(19602/6561) =
// 1.7285: 70 rows of 93: 6580.
TEST(Tiling, LargePhotoNeedsThirtyOneTilesButHardlyMoreTokens) { ExpectTiles(LlavaDflop(), {4000, 3000}, 31, 6580); }

// The original rule also passes on the base tile's 27² = 729 tokens.
TEST(Tiling, OriginalRuleAddsTheBaseTilesTokens) {
  ExpectTiles(Llava(), {640, 480}, 5, 2200 + 729);
  ExpectTiles(Llava(), {1024, 768}, 7, 3996 + 729);
  ExpectTiles(Llava(), {1920, 1080}, 16, 6540 + 729);
  ExpectTiles(Llava(), {4000, 3000}, 31, 6580 + 729);
}

/// What a grid keeps of an image and how much of the canvas it wastes, from the definition in floating point.
struct Fit {
  double kept;
  double waste;
};
Fit FitOf(ImageSize image, int columns, int rows) {
  const double width = 384.0 * columns;
  const double height = 384.0 * rows;
  const double scale = std::min(width / image.width_px, height / image.height_px);
  const double area = std::floor(image.width_px * scale + 1e-9) * std::floor(image.height_px * scale + 1e-9);
  const double kept = std::min(area, static_cast<double>(image.width_px) * image.height_px);
  return {kept, width * height - kept};
}

TEST(Tiling, ChosenGridKeepsMostPixelsAndWastesLeast) {
  RandomStream random(7, "tiling");
  for (int i = 0; i < 3000; ++i) {
    const ImageSize image{static_cast<int>(random.LogNormal(900, 1.0)) + 1,
                          static_cast<int>(random.LogNormal(700, 1.0)) + 1};
    const TileGrid chosen = LlavaGrid(image, 384);
    const Fit best = FitOf(image, chosen.columns, chosen.rows);
    for (int columns = 1; columns <= 6; ++columns) {
      for (int rows = 1; rows <= 6; ++rows) {
        const Fit other = FitOf(image, columns, rows);
        const bool better = other.kept > best.kept || (other.kept == best.kept && other.waste < best.waste);
        ASSERT_FALSE(better) << image.width_px << "x" << image.height_px << ": " << columns << "x" << rows << " beats "
                             << chosen.columns << "x" << chosen.rows;
      }
    }
  }
}

// Nine tiles' worth is 6561 tokens; without a shrink up to 1.1² of it (7939) plus a newline per row (≤ 162) may stand.
TEST(Tiling, EncoderWorkGrowsToThirtySevenTilesWhileTokensSaturate) {
  RandomStream random(8, "tiling");
  int most_tiles = 0;
  for (int i = 0; i < 3000; ++i) {
    const ImageSize image{static_cast<int>(random.Below(6000)) + 1, static_cast<int>(random.Below(6000)) + 1};
    const TileCount count = TileImage(LlavaDflop(), image);
    EXPECT_LE(count.llm_tokens, 7939 + 162);
    most_tiles = std::max(most_tiles, count.tiles);
  }
  EXPECT_EQ(most_tiles, 37);
}

TEST(Tiling, TurningAnImageTurnsItsGrid) {
  RandomStream random(9, "tiling");
  for (int i = 0; i < 500; ++i) {
    const ImageSize image{static_cast<int>(random.Below(4000)) + 1, static_cast<int>(random.Below(4000)) + 1};
    const TileGrid grid = LlavaGrid(image, 384);
    EXPECT_EQ(LlavaGrid({image.height_px, image.width_px}, 384), (TileGrid{grid.rows, grid.columns}));
  }
}

TEST(Tiling, ExtremeSizesAreTiled) {
  EXPECT_EQ(TileImage(LlavaDflop(), {1, 1}).tiles, 2);
  EXPECT_EQ(TileImage(LlavaDflop(), {1'000'000, 1'000'000}).tiles, 37);
  // Scaled into any grid this line is less than a pixel high: nothing is kept anywhere, so the smallest grid wastes
  // least.
  EXPECT_EQ(LlavaGrid({1'000'000, 1}, 384), (TileGrid{1, 1}));
  EXPECT_EQ(TileImage(LlavaDflop(), {1'000'000, 1}).llm_tokens, 27 + 1);
  EXPECT_EQ(InternVlGrid({1, 1'000'000}, 448, 12), (TileGrid{1, 12}));
}

// 4:3 is among the ratios of at most 12 tiles: 4×3 and a thumbnail, 256 tokens each.
TEST(Tiling, InternVlCutsFourToThreeIntoTwelveTilesAndAThumbnail) { ExpectTiles(InternVl(), {640, 480}, 13, 13 * 256); }

// Ratio 1 is reached by 1×1, 2×2 and 3×3; the larger one wins when the image fills over half of it: 448² does not fill
// half of 4 tiles, 1000² = 10⁶ fills half of 9 tiles (903,168). A single tile needs no thumbnail.
TEST(Tiling, InternVlPrefersMoreTilesOnlyForImagesThatFillThem) {
  ExpectTiles(InternVl(), {448, 448}, 1, 256);
  ExpectTiles(InternVl(), {1000, 1000}, 10, 10 * 256);
  ExpectTiles(InternVl(), {1792, 448}, 5, 5 * 256);
}

TEST(SampleShapes, SeveralImagesAreOneTileEachWithANewline) {
  const Sample sample{.images = {{336, 336}, {4000, 3000}, {640, 480}}, .text_tokens = 300};
  EXPECT_EQ(ShapeOf(sample, ModelWith({Llava()})), (SampleShape{{3}, 3 * 730 + 300, 300}));
}

// A frame's 27×27 tokens are pooled to 14×14 = 196. The original ends a video with one newline; the code released with
// DFLOP every row of a frame: 14·15 = 210.
TEST(SampleShapes, VideoFramesArePooledForTheLlm) {
  const Sample sample{.video_frames = 32, .text_tokens = 64};
  EXPECT_EQ(ShapeOf(sample, ModelWith({Llava()})), (SampleShape{{32}, 32 * 196 + 1 + 64, 64}));
  EXPECT_EQ(ShapeOf(sample, ModelWith({LlavaDflop()})), (SampleShape{{32}, 32 * 210 + 64, 64}));
  EXPECT_EQ(ShapeOf({.video_frames = 30, .videos = 2}, ModelWith({Llava()})), (SampleShape{{30}, 30 * 196 + 2, 0}));
  EXPECT_EQ(ShapeOf({.video_frames = 30, .videos = 2}, ModelWith({LlavaDflop()})), (SampleShape{{30}, 30 * 210, 0}));
  EXPECT_EQ(ShapeOf(sample, ModelWith({InternVl()})), (SampleShape{{32}, 32 * 256 + 64, 64}));
}

// Three images share 12 tiles, 4 each: of the ratios then left, 1 is closest to 4:3, and 640×480 does not fill half of
// 2×2. One image each of 1792×448 would be 4 tiles and a thumbnail.
TEST(SampleShapes, InternVlSharesItsTilesAmongImages) {
  EXPECT_EQ(ShapeOf({.images = {3, {640, 480}}}, ModelWith({InternVl()})), (SampleShape{{3}, 3 * 256, 0}));
  EXPECT_EQ(ShapeOf({.images = {3, {1792, 448}}}, ModelWith({InternVl()})), (SampleShape{{15}, 15 * 256, 0}));
  EXPECT_EQ(ShapeOf({.images = {20, {1792, 448}}}, ModelWith({InternVl()})), (SampleShape{{20}, 20 * 256, 0}));
}

TEST(SampleShapes, TextAloneFeedsOneDummyTileWithoutTokens) {
  EXPECT_EQ(ShapeOf({.text_tokens = 900}, ModelWith({Llava()})), (SampleShape{{1}, 900, 900}));
  EXPECT_EQ(ShapeOf({.text_tokens = 900}, ModelWith({})), (SampleShape{{}, 900, 900}));
}

// 25 tokens per second; 30 s fill one window exactly, 31 s need a second one whose padding the LLM never sees.
TEST(SampleShapes, AudioIsCutIntoWindowsOfThirtySeconds) {
  const ModelSpec model = ModelWith({Whisper()});
  EXPECT_EQ(ShapeOf({.audio_s = 30.0, .text_tokens = 10}, model), (SampleShape{{1}, 760, 10}));
  EXPECT_EQ(ShapeOf({.audio_s = 31.0}, model), (SampleShape{{2}, 775, 0}));
  EXPECT_EQ(ShapeOf({.audio_s = 0.28}, model), (SampleShape{{1}, 7, 0}));  // 0.28·25 is 7.000000000000001 in binary
  EXPECT_EQ(ShapeOf({.audio_s = 0.30}, model), (SampleShape{{1}, 8, 0}));
  // Two clips of 10 s are two windows, two of 40 s are four.
  EXPECT_EQ(ShapeOf({.audio_s = 20.0, .audios = 2}, model), (SampleShape{{2}, 500, 0}));
  EXPECT_EQ(ShapeOf({.audio_s = 80.0, .audios = 2}, model), (SampleShape{{4}, 2000, 0}));
}

TEST(SampleShapes, EveryEncoderTakesItsOwnContent) {
  const ModelSpec model = ModelWith({Llava(), Whisper()});
  const Sample sample{.images = {{640, 480}}, .audio_s = 60.0, .text_tokens = 5};
  EXPECT_EQ(ShapeOf(sample, model), (SampleShape{{5, 2}, 2929 + 1500 + 5, 5}));
  EXPECT_EQ(ShapeOf({.audio_s = 60.0}, model), (SampleShape{{1, 2}, 1500, 0}));
}

TEST(SampleShapes, DirectShapesAreTakenAsTheyAre) {
  Sample sample;
  sample.direct = {.tiles = 7, .llm_tokens = 2000};
  EXPECT_EQ(ShapeOf(sample, ModelWith({InternVl()})), (SampleShape{{7}, 2000, 0}));
  sample.direct->tiles = 0;
  EXPECT_EQ(ShapeOf(sample, ModelWith({InternVl()})), (SampleShape{{1}, 2000, 0}));
  EXPECT_EQ(ShapeOf(sample, ModelWith({})), (SampleShape{{}, 2000, 0}));
}

TEST(SampleShapes, ContentThatTheModelCannotTakeIsAnErrorThatSaysWhat) {
  const auto message = [](const Sample& sample, const ModelSpec& model) -> std::string {
    try {
      ShapeOf(sample, model);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  };
  Sample direct;
  direct.direct = {.tiles = 1, .llm_tokens = 10};
  EXPECT_NE(message({.images = {{10, 10}}}, ModelWith({})).find("no vision encoder"), std::string::npos);
  EXPECT_NE(message({.video_frames = 1}, ModelWith({Whisper()})).find("no vision encoder"), std::string::npos);
  EXPECT_NE(message({.audio_s = 1}, ModelWith({Llava()})).find("no audio encoder"), std::string::npos);
  EXPECT_NE(message(direct, ModelWith({})).find("no encoder"), std::string::npos);
  EXPECT_NE(message(direct, ModelWith({Llava(), Whisper()})).find("2 encoders"), std::string::npos);
}

// 10^4 images of one tile with 256² tokens and a newline: 655,370,000 tokens an encoder, which four of them sum to more
// than an int holds.
TEST(SampleShape, TokensOfSeveralEncodersNeverOverflow) {
  EncoderSpec dense = Vision(Tiling::kLlavaOneVision, 256);
  dense.patch_px = 1;
  const Sample sample{.images = {10'000, {10, 10}}};
  EXPECT_EQ(ShapeOf(sample, ModelWith({dense})).llm_tokens, 655'370'000);
  EXPECT_THROW(ShapeOf(sample, ModelWith({dense, dense, dense, dense})), InputError);
}

TEST(Tiling, LlamaTakesTheGridIntoWhichAnImageFitsWithTheLeastEnlarging) {
  // Of columns × rows of 560 px, at most 4. 400 × 900: one tile shrinks it; 1 × 2 enlarges it 1.24-fold, as 2 × 2 does,
  // which has more tiles; 1 × 3 and 1 × 4 1.4-fold.
  EXPECT_EQ(LlamaGrid({400, 900}, 560, 4), (TileGrid{1, 2}));
  EXPECT_EQ(LlamaGrid({560, 560}, 560, 4), (TileGrid{1, 1}));
  EXPECT_EQ(LlamaGrid({561, 560}, 560, 4), (TileGrid{2, 1}));
  EXPECT_EQ(LlamaGrid({1120, 1120}, 560, 4), (TileGrid{2, 2}));
  // 3,000 × 1,000 fits into none: 3 × 1 and 4 × 1 leave 0.56 of its height, 2 × 2 0.37 of its width.
  EXPECT_EQ(LlamaGrid({3000, 1000}, 560, 4), (TileGrid{3, 1}));
  EXPECT_EQ(LlamaGrid({1, 10000}, 560, 4), (TileGrid{1, 4}));
}

}  // namespace
}  // namespace dflop
