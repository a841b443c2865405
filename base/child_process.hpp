// Work in a forked child that leaves its result in shared memory: for a library that allows one run per process.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <type_traits>

namespace dflop {

/// Pages, zeroed, that this process and the children it forks share.
class SharedMemory {
 public:
  explicit SharedMemory(std::size_t bytes);  ///< RunError when there is none left
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  void* data() const { return data_; }

 private:
  std::size_t bytes_;
  void* data_;
};

template <typename T>
class SharedArray {
 public:
  explicit SharedArray(std::size_t count) : memory_(count * sizeof(T)), count_(count) {}
  std::span<T> items() const { return {static_cast<T*>(memory_.data()), count_}; }

 private:
  static_assert(std::is_trivial_v<T>, "nobody constructs the items");
  SharedMemory memory_;
  std::size_t count_;
};

/// Runs `work` in a child and waits for it. RunError, beginning with `who`, unless the child ends well: an exception
/// there is printed there. Flushes this process's C streams first, so that nothing is printed twice.
void RunInChild(const char* who, const std::function<void()>& work);

}  // namespace dflop
