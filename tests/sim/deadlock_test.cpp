// Claims on orders that cannot be followed where messages between stages block.
#include "sim/build/deadlock.hpp"

#include <gtest/gtest.h>

#include "tests/models/model_test_support.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

std::string Stuck(const std::string& pipeline, int chunks, bool blocks) {
  const Priced priced(GptModel(1024, 8, 16, 1000), {.blocking_sends = blocks});
  HomogeneousDegrees degrees{1, 2, 1, 0, 4};
  degrees.chunks = chunks;
  const Layout layout = BuildLayout(degrees, priced.cost.model(), TestCluster());
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>(pipeline), layout);
  return WhyDeadlocked({priced.cost, layout, orders});
}

TEST(Deadlock, OneStageADeviceNeverDeadlocks) {
  for (const bool blocks : {false, true}) {
    EXPECT_EQ(Stuck("1f1b", 1, blocks), "");
    EXPECT_EQ(Stuck("gpipe", 1, blocks), "");
  }
}

TEST(Deadlock, ChunksThatWaitForEachOtherAreNamedWhereMessagesBlock) {
  // The first device may not go on to its second microbatch before the second device is there to receive, which in turn
  // waits to hand the first device its second chunk.
  EXPECT_EQ(Stuck("interleaved", 2, false), "");
  const std::string stuck = Stuck("interleaved", 2, true);
  EXPECT_NE(stuck.find("can never start; each waits for the next in "), std::string::npos) << stuck;
  // A circle ends where it began.
  const std::string circle = stuck.substr(stuck.find("next in ") + 8);
  EXPECT_EQ(circle.substr(0, circle.find(" → ")), circle.substr(circle.rfind(" → ") + 5)) << stuck;
}

}  // namespace
}  // namespace dflop
