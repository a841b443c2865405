// The memory of activations: blocks inside one arena that is in place before a step begins, so that no computation
// waits for the system to find pages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "real_runner/cpu/arena.hpp"

namespace dflop::cpu {

/// Places of blocks on a line, each as early as it fits.
class FirstFit {
 public:
  std::size_t Take(std::size_t values);
  void Release(std::size_t offset);
  /// One past the last value that was ever taken.
  std::size_t high_water() const { return high_water_; }

 private:
  std::map<std::size_t, std::size_t> taken_;  ///< values by offset
  std::size_t high_water_ = 0;
};

/// Blocks are taken and released in a rehearsal first: the same calls, without a use of what they give. Afterwards
/// there is room for them all.
class ActivationMemory {
 public:
  /// Nothing may be taken.
  void BeginRehearsal();
  void EndRehearsal();

  /// A block beyond what was rehearsed is a memory of its own, at the price of asking for it.
  float* Take(std::size_t values);
  void Release(float* block);

 private:
  Arena arena_;
  float* base_ = nullptr;
  std::size_t reserved_ = 0;
  bool rehearsing_ = false;
  FirstFit places_;
  std::map<float*, std::size_t> inside_;
  std::map<float*, std::vector<float>> beyond_;
};

/// Cuts tensors off a block, one after the other; without a block it only counts.
class Carver {
 public:
  explicit Carver(float* block = nullptr) : block_(block) {}
  float* Take(std::int64_t values) {
    float* tensor = block_ == nullptr ? nullptr : block_ + used_;
    used_ += WholeLines(static_cast<std::size_t>(values));
    return tensor;
  }
  std::size_t used() const { return used_; }

 private:
  float* block_;
  std::size_t used_ = 0;
};

}  // namespace dflop::cpu
