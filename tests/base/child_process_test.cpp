// What comes back from a forked child: shared memory, exceptions, signals, and text printed only once.
#include "base/child_process.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "base/error.hpp"

namespace dflop {
namespace {

std::string WhatOf(const std::function<void()>& work) {
  try {
    RunInChild("the test", work);
  } catch (const RunError& error) {
    return error.what();
  }
  return "";
}

TEST(ChildProcess, SharedItemsStartAtZeroAndComeBackWhileOwnMemoryStays) {
  const SharedArray<double> shared(3);
  double own = 1;
  EXPECT_EQ(shared.items()[2], 0);
  RunInChild("the test", [&] { shared.items()[2] = 42, own = 2; });
  EXPECT_EQ(shared.items()[2], 42);
  EXPECT_EQ(own, 1);
}

TEST(ChildProcess, NothingToShareIsFine) { EXPECT_TRUE(SharedArray<double>(0).items().empty()); }

TEST(ChildProcess, ExceptionIsPrintedThereAndReportedHere) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(WhatOf([] { throw std::runtime_error("out of luck"); }), "the test failed, its complaint stands above");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "the test: out of luck\n");
}

TEST(ChildProcess, DeathBySignalIsReported) {
  EXPECT_EQ(WhatOf([] { std::raise(SIGKILL); }), "the test died of signal 9");
}

TEST(ChildProcess, UnflushedTextIsPrintedOnce) {
  testing::internal::CaptureStdout();
  std::fputs("once", stdout);
  RunInChild("the test", [] { std::fflush(stdout); });  // as SimGrid does
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "once");
}

}  // namespace
}  // namespace dflop
