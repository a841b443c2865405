// What a wait was for and what a step's length comes from, on a step small enough to follow with a finger.
#include "experiments/results/picture_waits.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace dflop {
namespace {

PictureEvent Event(const std::string& kind, int stage, double start, double end, int from = -1) {
  PictureEvent event;
  event.kind = kind;
  event.stage = stage;
  event.from_stage = from;
  event.microbatch = kind == "optimizer_step" ? -1 : 0;
  event.start_s = start;
  event.end_s = end;
  return event;
}

/// One microbatch through two stages and back; the second stage's optimizer does not wait for the first.
StepPicture TwoStages() {
  StepPicture picture;
  picture.makespan_s = 7.5;
  picture.stages.resize(2);
  picture.stages[1].depth = picture.stages[1].group = 1;
  picture.events = {Event("forward", 0, 0, 1),       Event("transfer", 1, 1, 1.5, 0),
                    Event("forward", 1, 1.5, 2.5),   Event("backward", 1, 2.5, 4.5),
                    Event("transfer", 0, 4.5, 5, 1), Event("optimizer_step", 1, 4.5, 5),
                    Event("backward", 0, 5, 7),      Event("optimizer_step", 0, 7, 7.5)};
  return picture;
}

TEST(PictureWaits, EveryGapNamesWhatEndedIt) {
  // Stage 0 computes in [0, 1] and [5, 7.5]: it waits 4 s for the transfer that ends at 5. Stage 1 computes in
  // [1.5, 5]: it waits 1.5 s for the first transfer, and at the end 2.5 s for the optimizer of stage 0.
  const std::vector<PictureWait> waits = WaitsOf(TwoStages());
  ASSERT_EQ(waits.size(), 3u);
  const std::vector<std::vector<double>> expected = {{0, 1, 5, 6, 4}, {1, 0, 1.5, 2, 1}, {1, 5, 7.5, -1, 7}};
  for (std::size_t i = 0; i < waits.size(); ++i) {
    const PictureWait& wait = waits[i];
    EXPECT_EQ(
        (std::vector<double>{double(wait.group), wait.start_s, wait.end_s, double(wait.next), double(wait.cause)}),
        expected[i]);
  }
}

TEST(PictureWaits, TheCriticalPathIsTheChainThatAddsUpToTheStep) {
  const StepPicture picture = TwoStages();
  const std::vector<int> path = CriticalPath(picture);
  EXPECT_EQ(path, (std::vector<int>{0, 1, 2, 3, 4, 6, 7}));  // all but the optimizer of stage 1
  double sum = 0;
  for (const int event : path) sum += picture.events[std::size_t(event)].duration_s();
  EXPECT_DOUBLE_EQ(sum, 7.5);
}

TEST(PictureWaits, AChainWithAGapIsNoCriticalPath) {
  StepPicture measured = TwoStages();
  measured.events[6].start_s = 5.001;  // as a measured step has it: nothing ends at that very moment
  EXPECT_TRUE(CriticalPath(measured).empty());
  EXPECT_EQ(WaitsOf(measured).front().cause, -1);
}

TEST(PictureWaits, EventsOfNoLengthDoNotMakeACircle) {
  StepPicture picture = TwoStages();
  picture.events.insert(picture.events.begin() + 2, Event("transfer", 1, 1.5, 1.5, 0));
  picture.events.insert(picture.events.begin() + 2, Event("transfer", 1, 1.5, 1.5, 0));
  EXPECT_FALSE(CriticalPath(picture).empty());
}

TEST(PictureWaits, AMessageThatHoldsItsSenderIsALink) {
  // The sender's next forward begins when its own blocking transfer ends.
  StepPicture picture;
  picture.makespan_s = 2.5;
  picture.stages.resize(2);
  picture.stages[1].depth = picture.stages[1].group = 1;
  picture.events = {Event("forward", 0, 0, 1), Event("transfer", 1, 1, 1.5, 0), Event("forward", 0, 1.5, 2.5)};
  picture.events[2].microbatch = 1;
  EXPECT_EQ(CriticalPath(picture), (std::vector<int>{0, 1, 2}));
}

}  // namespace
}  // namespace dflop
