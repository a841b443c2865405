// A kernel that spins holds the stream while a batch is enqueued, or events would time the host.
#include "real_runner/cuda/timing.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>

#include "real_runner/cuda/kernels.hpp"

namespace dflop::cuda {
namespace {

constexpr int kBatch = 16;
constexpr double kMinSpin = 20e-6, kMaxSpin = 50e-3;
constexpr double kSpinMargin = 2;    // spin twice as long as enqueuing took
constexpr int kHostBatch = 64;       // far below the launches that a stream queues before the host must wait
constexpr double kDisturbed = 1e-6;  // wall beyond CPU time

double WallSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

void Synchronize(cudaStream_t stream) { DFLOP_CUDA_CHECK(cudaStreamSynchronize(stream)); }

/// The second of two: the first may load the kernel's code.
double EnqueueSeconds(cudaStream_t stream, const std::function<void()>& launch) {
  launch();
  Synchronize(stream);
  const double begin = WallSeconds();
  launch();
  const double seconds = WallSeconds() - begin;
  Synchronize(stream);
  return seconds;
}

}  // namespace

std::vector<TimedLaunch> LaunchTimer::Time(cudaStream_t stream, const std::function<void()>& launch, int repeats) {
  if (enqueue_seconds_ < 0) enqueue_seconds_ = EnqueueSeconds(stream, launch);
  while (starts_.size() < kBatch) {
    starts_.emplace_back();
    ends_.emplace_back();
  }
  std::vector<TimedLaunch> times;
  while (static_cast<int>(times.size()) < repeats) {
    const auto batch = static_cast<std::size_t>(std::min(kBatch, repeats - static_cast<int>(times.size())));
    Spin(std::clamp(kSpinMargin * enqueue_seconds_ * static_cast<double>(batch), kMinSpin, kMaxSpin), stream);
    for (std::size_t i = 0; i < batch; ++i) {
      starts_[i].Record(stream);
      launch();
      ends_[i].Record(stream);
    }
    Synchronize(stream);
    for (std::size_t i = 0; i < batch; ++i) times.push_back({ends_[i].SecondsSince(starts_[i]), false});
  }
  return times;
}

std::vector<TimedLaunch> TimeOnHost(cudaStream_t stream, const std::function<void()>& launch, int repeats) {
  static_cast<void>(EnqueueSeconds(stream, launch));
  std::vector<TimedLaunch> times;
  for (int i = 0; i < repeats; ++i) {
    if (i % kHostBatch == 0) Synchronize(stream);
    const double cpu = CpuSeconds(), wall = WallSeconds();
    launch();
    const double seconds = WallSeconds() - wall;
    times.push_back({seconds, seconds > 2 * (CpuSeconds() - cpu) + kDisturbed});
  }
  Synchronize(stream);
  return times;
}

}  // namespace dflop::cuda
