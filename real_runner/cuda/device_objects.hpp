// Owners of what CUDA hands out: a stream, an event, a piece of device memory.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <string>
#include <utility>

#include "real_runner/cuda/check.hpp"

namespace dflop::cuda {

class Stream {
 public:
  Stream() { DFLOP_CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  /// Takes over a stream that was made otherwise.
  explicit Stream(cudaStream_t stream) : stream_(stream) {}
  ~Stream() {
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }
  Stream(Stream&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
  Stream& operator=(Stream&&) = delete;
  cudaStream_t get() const { return stream_; }
  void Synchronize() const { DFLOP_CUDA_CHECK(cudaStreamSynchronize(stream_)); }

 private:
  cudaStream_t stream_ = nullptr;
};

class Event {
 public:
  Event() { DFLOP_CUDA_CHECK(cudaEventCreate(&event_)); }
  ~Event() {
    if (event_ != nullptr) cudaEventDestroy(event_);
  }
  Event(Event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  Event& operator=(Event&&) = delete;
  void Record(cudaStream_t stream) const { DFLOP_CUDA_CHECK(cudaEventRecord(event_, stream)); }
  /// Both events must have happened.
  double SecondsSince(const Event& start) const {
    float milliseconds = 0;
    DFLOP_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, start.event_, event_));
    return milliseconds * 1e-3;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

/// Device memory of the current device; Unsupported, with the bytes, when there is too little.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(std::int64_t bytes) : bytes_(bytes) {
    if (bytes == 0) return;
    if (cudaMalloc(&data_, static_cast<std::size_t>(bytes)) == cudaSuccess) return;
    static_cast<void>(cudaGetLastError());
    throw Unsupported("needs " + std::to_string(bytes) + " more bytes of device memory than are free");
  }
  ~DeviceBuffer() { cudaFree(data_); }
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  void* data() const { return data_; }
  std::int64_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  std::int64_t bytes_ = 0;
};

}  // namespace dflop::cuda
