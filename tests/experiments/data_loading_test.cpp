// Batches that are made beside the steps: waits worked out by hand, step by step.
#include "experiments/run/data_loading.hpp"

#include <gtest/gtest.h>

namespace dflop {
namespace {

using Times = std::vector<double>;

TEST(DataLoadingTest, WithoutPrefetchEveryStepWaitsForAllOfItsBatch) {
  // A batch is begun when the step before it has ended: 3 s of waiting, 2 s of computing, and so on.
  EXPECT_EQ(LoadingWaits(Times{3, 3, 3}, Times{2, 2, 2}, 0), (Times{3, 3, 3}));
  EXPECT_EQ(LoadingWaits(Times{1, 2, 4}, Times{9, 9, 9}, 0), (Times{1, 2, 4}));
}

TEST(DataLoadingTest, ALoaderThatIsTooSlowMakesEveryStepWaitForTheDifference) {
  // One batch ahead: loaded at 3; step 0 from 3 to 5, beside it batch 1 from 3 to 6; step 1 waits 6 − 5 = 1 and runs to
  // 8, batch 2 from 6 to 9, and so on. A second place changes nothing: the loader is never without work.
  EXPECT_EQ(LoadingWaits(Times{3, 3, 3, 3}, Times{2, 2, 2, 2}, 1), (Times{3, 1, 1, 1}));
  EXPECT_EQ(LoadingWaits(Times{3, 3, 3, 3}, Times{2, 2, 2, 2}, 2), (Times{3, 1, 1, 1}));
}

TEST(DataLoadingTest, ALoaderThatIsFastEnoughIsSeenInTheFirstStepAlone) {
  EXPECT_EQ(LoadingWaits(Times{2, 2, 2}, Times{3, 3, 3}, 1), (Times{2, 0, 0}));
}

TEST(DataLoadingTest, ASecondPlaceTakesTheEdgeOffALargeBatch) {
  // One place: step 0 from 1 to 5, batch 1 from 1 to 2; step 1 from 5 to 6, batch 2 from 5 (its place is free when step
  // 1 begins) to 11, so that step 2 waits 11 − 6 = 5. Two places: batch 2 from 2 to 8, step 2 waits 8 − 6 = 2.
  const Times load = {1, 1, 6, 1};
  const Times compute = {4, 1, 4, 4};
  EXPECT_EQ(LoadingWaits(load, compute, 1), (Times{1, 0, 5, 0}));
  EXPECT_EQ(LoadingWaits(load, compute, 2), (Times{1, 0, 2, 0}));
}

TEST(DataLoadingTest, TheMeanOfALongRunLeavesOutTheFirstFill) {
  EXPECT_DOUBLE_EQ(MeanLoadingWait(Times{3}, Times{2}, 0), 3);
  EXPECT_DOUBLE_EQ(MeanLoadingWait(Times{3}, Times{2}, 1), 1);
  EXPECT_DOUBLE_EQ(MeanLoadingWait(Times{3}, Times{2}, 1000), 1);
  EXPECT_DOUBLE_EQ(MeanLoadingWait(Times{2}, Times{3}, 1), 0);
  // Batches of 1 s and 3 s in turn, steps of 2 s. One place: a batch of 3 s begins with a step of 2 s, so every second
  // step waits 1 s. Two places: the loader works without a pause and is as fast as the steps.
  EXPECT_DOUBLE_EQ(MeanLoadingWait(Times{1, 3}, Times{2, 2}, 1), 0.5);
  EXPECT_DOUBLE_EQ(MeanLoadingWait(Times{1, 3}, Times{2, 2}, 2), 0);
}

TEST(DataLoadingTest, TheCoresThatHideItAreTheFewestThatKeepUp) {
  // 2 cores per GPU need 3 s, so a batch is 6 core-seconds per GPU: 3 cores make it in the 2 s of a step, 2 do not.
  DataLoading loading;
  loading.cores_per_gpu = 2;
  loading.prefetch_steps = 1;
  EXPECT_EQ(CoresThatHide(Times{3}, Times{2}, loading), 3);
  // A step of 1.99 s still waits 0.01 s with 3 cores, which is less than a hundredth of it; one of 1.97 s does not.
  EXPECT_EQ(CoresThatHide(Times{3}, Times{1.99}, loading), 3);
  EXPECT_EQ(CoresThatHide(Times{3}, Times{1.97}, loading), 4);
  loading.prefetch_steps = 0;
  EXPECT_EQ(CoresThatHide(Times{3}, Times{2}, loading), 0);
}

TEST(DataLoadingTest, ABatchIsWhatItsSamplesHoldOverTheRates) {
  // 2 images at 10 a second, 30 frames at 60, 8 s of audio at 16 times their speed; text has no rate and is free.
  DataLoading loading;
  loading.images = 10;
  loading.video_frames = 60;
  loading.audio_s = 16;
  Sample seen;
  seen.images = {{640, 480}, {4000, 3000}};
  seen.text_tokens = 1000;
  Sample heard;
  heard.video_frames = 30;
  heard.audio_s = 8;
  EXPECT_DOUBLE_EQ(CoreSeconds(loading, std::vector<Sample>{seen, heard}), 0.2 + 0.5 + 0.5);
}

}  // namespace
}  // namespace dflop
