// The memory of activations: blocks inside one piece of memory that is in place before a step begins, so that no
// computation waits for an allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

namespace dflop::training {

inline constexpr std::size_t kLineBytes = 256;  ///< every tensor begins with one: what the widest loads ask for

/// Bytes rounded up to whole lines.
constexpr std::size_t WholeLines(std::size_t bytes) { return (bytes + kLineBytes - 1) / kLineBytes * kLineBytes; }

/// Places of blocks on a line, each as early as it fits. Sizes and offsets in bytes, whole lines.
class FirstFit {
 public:
  std::size_t Take(std::size_t bytes);
  void Release(std::size_t offset);
  /// One past the last byte that was ever taken.
  std::size_t high_water() const { return high_water_; }
  bool empty() const { return taken_.empty(); }

 private:
  std::map<std::size_t, std::size_t> taken_;  ///< bytes by offset
  std::size_t high_water_ = 0;
};

/// Blocks are taken and released in a rehearsal first: the same calls in the same order, with addresses that nobody may
/// use. Afterwards there is room for them all. Workers of one rank that take turns may share the memory.
template <typename Memory>
class ActivationMemory {
 public:
  explicit ActivationMemory(Memory memory) : memory_(std::move(memory)) {}

  /// Nothing may be taken.
  void BeginRehearsal() {
    // As well aligned as the true ones, and no block is nullptr.
    base_ = reinterpret_cast<std::byte*>(kLineBytes);  // NOLINT: never dereferenced
    places_ = {};
  }
  void EndRehearsal() {
    base_ = memory_.Reserve(places_.high_water());
    places_ = {};
  }

  std::byte* Take(std::size_t bytes) { return base_ + places_.Take(bytes); }
  void Release(std::byte* block) { places_.Release(static_cast<std::size_t>(block - base_)); }

 private:
  Memory memory_;
  std::byte* base_ = nullptr;
  FirstFit places_;
};

/// Cuts tensors off a block, one after the other; without a block it only counts.
class Carver {
 public:
  explicit Carver(std::byte* block = nullptr) : block_(block) {}
  template <typename T>
  T* Take(std::int64_t count) {
    std::byte* tensor = block_ == nullptr ? nullptr : block_ + used_;
    used_ += WholeLines(static_cast<std::size_t>(count) * sizeof(T));
    return reinterpret_cast<T*>(tensor);
  }
  std::size_t used() const { return used_; }

 private:
  std::byte* block_;
  std::size_t used_ = 0;
};

}  // namespace dflop::training
