#include <algorithm>

#include "real_runner/cuda/check.hpp"
#include "real_runner/cuda/training_rows.hpp"

namespace dflop::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kMaxBlocks = std::int64_t{1} << 20;

unsigned BlocksFor(std::int64_t items) {
  return static_cast<unsigned>(std::clamp<std::int64_t>((items + kThreads - 1) / kThreads, 1, kMaxBlocks));
}

/// Of the whole grid.
__device__ std::int64_t Thread() { return std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; }
__device__ std::int64_t Threads() { return std::int64_t{gridDim.x} * blockDim.x; }

/// One block a range.
__global__ void RowSumsKernel(const Bf16* __restrict__ x, const training::RowRange* __restrict__ ranges,
                              std::int64_t count, Bf16* __restrict__ y, std::int64_t width) {
  for (std::int64_t i = blockIdx.x; i < count; i += gridDim.x) {
    const training::RowRange range = ranges[i];
    for (std::int64_t c = threadIdx.x; c < width; c += blockDim.x) {
      float sum = 0;
      for (std::int64_t r = 0; r < range.count; ++r) sum += __bfloat162float(x[(range.first + r) * width + c]);
      y[range.to * width + c] = __float2bfloat16(range.count == 0 ? 0.0f : range.scale * sum);
    }
  }
}

__global__ void AddRepeatedKernel(const Bf16* __restrict__ x, Bf16* __restrict__ y, std::int64_t times,
                                  std::int64_t values) {
  for (std::int64_t i = Thread(); i < times * values; i += Threads()) {
    y[i] = __float2bfloat16(__bfloat162float(y[i]) + __bfloat162float(x[i % values]));
  }
}

__global__ void SumRepeatedKernel(const Bf16* __restrict__ dy, float* __restrict__ dx, std::int64_t times,
                                  std::int64_t values) {
  for (std::int64_t i = Thread(); i < values; i += Threads()) {
    float sum = 0;
    for (std::int64_t t = 0; t < times; ++t) sum += __bfloat162float(dy[t * values + i]);
    dx[i] += sum;
  }
}

/// One block a token, here and in the backward.
__global__ void EmbedAtKernel(const Bf16* __restrict__ table, const std::int32_t* __restrict__ ids,
                              const std::int64_t* __restrict__ rows, std::int64_t count, Bf16* __restrict__ y,
                              std::int64_t width) {
  for (std::int64_t i = blockIdx.x; i < count; i += gridDim.x) {
    const Bf16* from = table + ids[i] * width;
    Bf16* to = y + rows[i] * width;
    for (std::int64_t c = threadIdx.x; c < width; c += blockDim.x) to[c] = from[c];
  }
}

__global__ void EmbedBackwardKernel(const Bf16* __restrict__ dy, const std::int32_t* __restrict__ ids,
                                    const std::int64_t* __restrict__ rows, std::int64_t count,
                                    float* __restrict__ dtable, std::int64_t width) {
  for (std::int64_t i = blockIdx.x; i < count; i += gridDim.x) {
    const Bf16* from = dy + rows[i] * width;
    float* to = dtable + ids[i] * width;
    for (std::int64_t c = threadIdx.x; c < width; c += blockDim.x) atomicAdd(to + c, __bfloat162float(from[c]));
  }
}

__global__ void AddWeightedKernel(const float* __restrict__ weights, const float* __restrict__ values,
                                  std::int64_t count, double* __restrict__ sum) {
  __shared__ double sums[kThreads];
  double own = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += kThreads) {
    own += static_cast<double>(weights[i]) * static_cast<double>(values[i]);
  }
  sums[threadIdx.x] = own;
  for (int half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  if (threadIdx.x == 0) *sum += sums[0];
}

__global__ void SumSourcesKernel(Sources sources, float* y, std::int64_t n) {
  for (std::int64_t i = Thread(); i < n; i += Threads()) {
    float sum = 0;
    for (int s = 0; s < sources.count; ++s) sum += sources.at[s][i];
    y[i] = sum;
  }
}

}  // namespace

void RowSums(const Bf16* x, const training::RowRange* ranges, std::int64_t count, Bf16* y, std::int64_t width,
             cudaStream_t stream) {
  if (count == 0) return;
  RowSumsKernel<<<static_cast<unsigned>(std::min(count, kMaxBlocks)), kThreads, 0, stream>>>(x, ranges, count, y,
                                                                                             width);
  DFLOP_CUDA_CHECK(cudaGetLastError());
}

void AddRepeated(const Bf16* x, Bf16* y, std::int64_t times, std::int64_t values, cudaStream_t stream) {
  if (times == 0) return;
  AddRepeatedKernel<<<BlocksFor(times * values), kThreads, 0, stream>>>(x, y, times, values);
  DFLOP_CUDA_CHECK(cudaGetLastError());
}

void SumRepeated(const Bf16* dy, float* dx, std::int64_t times, std::int64_t values, cudaStream_t stream) {
  if (times == 0) return;
  SumRepeatedKernel<<<BlocksFor(values), kThreads, 0, stream>>>(dy, dx, times, values);
  DFLOP_CUDA_CHECK(cudaGetLastError());
}

void EmbedAt(const Bf16* table, const std::int32_t* ids, const std::int64_t* rows, std::int64_t count, Bf16* y,
             std::int64_t width, cudaStream_t stream) {
  if (count == 0) return;
  EmbedAtKernel<<<static_cast<unsigned>(std::min(count, kMaxBlocks)), kThreads, 0, stream>>>(table, ids, rows, count, y,
                                                                                             width);
  DFLOP_CUDA_CHECK(cudaGetLastError());
}

void EmbedBackward(const Bf16* dy, const std::int32_t* ids, const std::int64_t* rows, std::int64_t count, float* dtable,
                   std::int64_t width, cudaStream_t stream) {
  if (count == 0) return;
  EmbedBackwardKernel<<<static_cast<unsigned>(std::min(count, kMaxBlocks)), kThreads, 0, stream>>>(dy, ids, rows, count,
                                                                                                   dtable, width);
  DFLOP_CUDA_CHECK(cudaGetLastError());
}

void AddWeighted(const float* weights, const float* values, std::int64_t count, double* sum, cudaStream_t stream) {
  if (count == 0) return;
  AddWeightedKernel<<<1, kThreads, 0, stream>>>(weights, values, count, sum);
  DFLOP_CUDA_CHECK(cudaGetLastError());
}

void SumSources(const Sources& sources, float* y, std::int64_t n, cudaStream_t stream) {
  if (n == 0) return;
  SumSourcesKernel<<<BlocksFor(n), kThreads, 0, stream>>>(sources, y, n);
  DFLOP_CUDA_CHECK(cudaGetLastError());
}

}  // namespace dflop::cuda
