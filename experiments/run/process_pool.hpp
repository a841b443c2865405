// Tasks spread over worker processes: one process per task, so many at a time.
//
// Processes, not threads: SimGrid allows one engine per process, and a task that crashes takes only itself down. A
// worker starts as a copy of this process, so everything that was read before is there; it hands its result over in
// files.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace dflop {

struct PoolTasks {
  std::size_t count = 0;
  std::function<void(std::size_t)> work;                ///< runs in the worker
  std::function<std::string(std::size_t)> name;         ///< for messages
  std::function<void(std::size_t)> done = [](auto) {};  ///< runs here, after each task
};

/// Runs all tasks, at most `jobs` at a time. When a task throws, no further one starts, those before it finish and
/// those behind it are stopped; thrown here (InputError or RunError) is the error of the first in their order, so that
/// `jobs` does not decide which. A worker that dies otherwise is a RunError with the task's name.
void RunInProcesses(const PoolTasks& tasks, int jobs);

}  // namespace dflop
