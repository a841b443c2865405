// What all kernels of a device share: its stream, cuBLASLt's handle and workspace, the size of its cache.
#pragma once

#include <cublasLt.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "real_runner/cuda/device_objects.hpp"

namespace dflop::cuda {

struct CudnnHandle;  // cudnn_attention.cpp's

/// The current device. Kernels made with it must not outlive it.
class Device {
 public:
  static constexpr std::int64_t kWorkspaceBytes = std::int64_t{64} << 20;

  Device() : Device(Stream(), 0) {}
  /// With a stream of a part of the device that has this many multiprocessors; 0: all of them.
  Device(Stream stream, int multiprocessors)
      : stream_(std::move(stream)), workspace_(kWorkspaceBytes), multiprocessors_(multiprocessors) {
    DFLOP_CUDA_CHECK(cublasLtCreate(&blas_));
    int device = 0, bytes = 0;
    DFLOP_CUDA_CHECK(cudaGetDevice(&device));
    DFLOP_CUDA_CHECK(cudaDeviceGetAttribute(&bytes, cudaDevAttrL2CacheSize, device));
    cache_bytes_ = bytes;
  }
  ~Device() { cublasLtDestroy(blas_); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  cudaStream_t stream() const { return stream_.get(); }
  void Synchronize() const { stream_.Synchronize(); }
  cublasLtHandle_t blas() const { return blas_; }
  /// kWorkspaceBytes of scratch for one kernel at a time; safe to share, since there is one stream.
  void* workspace() const { return workspace_.data(); }
  std::int64_t cache_bytes() const { return cache_bytes_; }
  /// Of the part that this is; 0: the whole device.
  int multiprocessors() const { return multiprocessors_; }

  /// Memory for one kernel at a time, whose contents nobody keeps. Asking for more than ever before waits for the
  /// device and moves it: ask early, and again at every launch.
  void* Scratch(std::int64_t bytes) {
    if (bytes > scratch_.bytes()) {
      Synchronize();
      scratch_ = DeviceBuffer();
      scratch_ = DeviceBuffer(bytes);
    }
    return scratch_.data();
  }

  /// Another one at each call, the same ones in every process.
  std::uint64_t NextSeed() { return seed_ += 1000003; }

  std::shared_ptr<CudnnHandle> cudnn;  ///< made at the first use

 private:
  Stream stream_;
  DeviceBuffer workspace_;
  DeviceBuffer scratch_;
  int multiprocessors_ = 0;
  cublasLtHandle_t blas_ = nullptr;
  std::int64_t cache_bytes_ = 0;
  std::uint64_t seed_ = 0;
};

}  // namespace dflop::cuda
