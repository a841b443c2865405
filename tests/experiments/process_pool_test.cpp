// Worker processes: what their caller learns from them.
#include "experiments/run/process_pool.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "base/error.hpp"

namespace dflop {
namespace {

TEST(ProcessPool, TheFirstFailureInOrderIsReportedWhicheverEndsFirst) {
  PoolTasks tasks;
  tasks.count = 3;
  tasks.name = [](std::size_t task) { return "task " + std::to_string(task); };
  tasks.work = [](std::size_t task) {
    if (task == 0) return;
    if (task == 1) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    throw InputError("failure of task " + std::to_string(task));
  };
  for (const int jobs : {1, 3}) {
    try {
      RunInProcesses(tasks, jobs);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const InputError& error) {
      EXPECT_STREQ(error.what(), "failure of task 1") << jobs << " jobs";
    }
  }
}

}  // namespace
}  // namespace dflop
