// What the other ranks of a step do to a part of a GPU that is being measured: they compute, and so share its cache and
// its memory's bandwidth. Nothing of this file has run on a GPU yet.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "real_runner/cuda/partition.hpp"

namespace dflop::cuda {

/// In every part but the first, from construction to destruction: a matrix product of 4096³, which a layer spends most
/// of its time in, and then an addition of three tensors of 64 MiB, which memory alone limits; about as long as each
/// other on a part of a quarter.
class BusyNeighbours {
 public:
  /// Of the current device. The parts must outlive it.
  explicit BusyNeighbours(const std::vector<std::unique_ptr<Partition>>& parts);
  ~BusyNeighbours();
  BusyNeighbours(const BusyNeighbours&) = delete;
  BusyNeighbours& operator=(const BusyNeighbours&) = delete;

 private:
  void Work(Partition& part, int gpu);

  std::atomic<bool> stop_{false};
  std::atomic<int> working_{0};
  std::vector<std::thread> threads_;
};

}  // namespace dflop::cuda
