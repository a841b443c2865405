// Arrays in device memory that keep their memory from step to step. Nothing of this file has run on a GPU yet.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "real_runner/cuda/device_objects.hpp"
#include "real_runner/cuda/kernels.hpp"

namespace dflop::cuda {

/// Filled by the host, on the stream that uses it.
template <typename T>
class DeviceList {
 public:
  void Assign(const std::vector<T>& values, cudaStream_t stream) {
    const auto bytes = static_cast<std::int64_t>(values.size() * sizeof(T));
    if (bytes > memory_.bytes()) memory_ = DeviceBuffer(bytes);
    if (bytes == 0) return;
    DFLOP_CUDA_CHECK(
        cudaMemcpyAsync(memory_.data(), values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice, stream));
  }
  const T* data() const { return static_cast<const T*>(memory_.data()); }

 private:
  DeviceBuffer memory_;
};

/// Rows that other ranks may read while they hold them.
class DeviceRows {
 public:
  /// Zeros.
  void Resize(std::int64_t values, cudaStream_t stream) {
    values_ = values;
    const std::int64_t bytes = values * static_cast<std::int64_t>(sizeof(Bf16));
    if (memory_ == nullptr || bytes > memory_->bytes()) memory_ = std::make_shared<DeviceBuffer>(bytes);
    if (bytes > 0) DFLOP_CUDA_CHECK(cudaMemsetAsync(memory_->data(), 0, static_cast<std::size_t>(bytes), stream));
  }
  Bf16* data() const { return memory_ == nullptr ? nullptr : static_cast<Bf16*>(memory_->data()); }
  std::size_t size() const { return static_cast<std::size_t>(values_); }
  const std::shared_ptr<DeviceBuffer>& memory() const { return memory_; }

 private:
  std::shared_ptr<DeviceBuffer> memory_;
  std::int64_t values_ = 0;
};

}  // namespace dflop::cuda
