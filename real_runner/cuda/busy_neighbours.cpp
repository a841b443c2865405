// A thread per part, each with a stream of its own; measuring begins when all have run their load once.
#include "real_runner/cuda/busy_neighbours.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "real_runner/cuda/kernels.hpp"
#include "real_runner/cuda/matmul.hpp"

namespace dflop::cuda {
namespace {

constexpr std::int64_t kSide = 4096;
constexpr std::int64_t kAdded = std::int64_t{32} << 20;
constexpr int kAdditions = 4;
constexpr std::chrono::milliseconds kStarting{5};

class Load {
 public:
  explicit Load(Device& device)
      : device_(device),
        product_(device, ForwardShape(kSide, kSide, kSide)),
        values_(3 * kAdded * static_cast<std::int64_t>(sizeof(Bf16))) {
    static_assert(3 * kSide * kSide <= 3 * kAdded);
    FillUniform(At(0), 3 * kAdded, 1, 0, device.NextSeed(), device.stream());
  }
  void Run() {
    product_.Launch({At(0), At(1), At(2)});
    for (int i = 0; i < kAdditions; ++i) Add(At(0), At(1), At(2), kAdded, device_.stream());
    device_.Synchronize();
  }

 private:
  Bf16* At(std::int64_t tensor) const { return static_cast<Bf16*>(values_.data()) + tensor * kAdded; }

  Device& device_;
  Matmul product_;
  DeviceBuffer values_;
};

}  // namespace

BusyNeighbours::BusyNeighbours(const std::vector<std::unique_ptr<Partition>>& parts) {
  int gpu = 0;
  DFLOP_CUDA_CHECK(cudaGetDevice(&gpu));
  for (std::size_t i = 1; i < parts.size(); ++i) {
    threads_.emplace_back([this, &part = *parts[i], gpu] { Work(part, gpu); });
  }
  while (working_ < static_cast<int>(threads_.size())) std::this_thread::sleep_for(kStarting);
}

BusyNeighbours::~BusyNeighbours() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
}

/// A neighbour that fails would make the measurement one of idle neighbours: the program ends and says so.
void BusyNeighbours::Work(Partition& part, int gpu) {
  try {
    DFLOP_CUDA_CHECK(cudaSetDevice(gpu));
    Device device(part.NewStream(), part.multiprocessors());
    Load load(device);
    load.Run();
    ++working_;
    while (!stop_) load.Run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "a part of the GPU that should be busy is not: %s\n", error.what());
    std::abort();
  }
}

}  // namespace dflop::cuda
