// Timing single launches on the device, without the host in the figure.
#pragma once

#include <functional>
#include <vector>

#include "real_runner/cuda/device_objects.hpp"
#include "real_runner/kernels/backend.hpp"

namespace dflop::cuda {

/// Times launches between two events each. Before a batch of them the stream is kept busy for as long as the host needs
/// to enqueue the batch, so that the device never waits for the host between a kernel's events.
class LaunchTimer {
 public:
  std::vector<TimedLaunch> Time(cudaStream_t stream, const std::function<void()>& launch, int repeats);

 private:
  std::vector<Event> starts_, ends_;
  double enqueue_seconds_ = -1;  ///< host time per launch; unknown before the first use
};

/// Host time of a launch by itself: wall clock around the call, disturbed where the thread's CPU time is far below it.
std::vector<TimedLaunch> TimeOnHost(cudaStream_t stream, const std::function<void()>& launch, int repeats);

}  // namespace dflop::cuda
