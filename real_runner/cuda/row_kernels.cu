// Kernels whose values need their whole row: norms, softmax, cross-entropy. One block per row, the row in registers
// between the two passes over it, so that device memory sees each tensor once (the vocabulary's row is too long for
// that and is read again, mostly from L2).
#include <algorithm>
#include <cfloat>

#include "real_runner/cuda/kernels.hpp"
#include "real_runner/cuda/multiprocessors.hpp"
#include "real_runner/cuda/vector_access.cuh"
#include "real_runner/kernels/operations.hpp"

namespace dflop::cuda {
namespace {

constexpr int kWarp = 32;
constexpr int kMaxWarps = 32;
constexpr auto kEpsilon = static_cast<float>(kNormEpsilon);
constexpr float kLog2E = 1.4426950408889634f;
constexpr int kMaxNormThreads = 512;  // the backward pass needs more than 64 registers a thread
constexpr int kMaxSoftmaxThreads = 1024;
constexpr int kLossThreads = 512;
constexpr int kPartialsPerMultiprocessor = 4;

/// Values of a row that one thread keeps: 32, as packs of 8 or one by one.
template <int V>
inline constexpr int kKept = 32 / V;

static_assert(kMaxNormThreads * 32 == kMaxNormWidth && kMaxSoftmaxThreads * 32 == kMaxSoftmaxWidth);

struct Sum {
  __device__ static float Join(float a, float b) { return a + b; }
  static constexpr float kNeutral = 0;
};

struct Max {
  __device__ static float Join(float a, float b) { return fmaxf(a, b); }
  static constexpr float kNeutral = -FLT_MAX;
};

/// The reduction over all threads of the block, known to each of them. Ends with a barrier's safety: it may be called
/// again at once.
template <typename Reduction>
__device__ float OverBlock(float value) {
  __shared__ float of_warp[kMaxWarps];
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    value = Reduction::Join(value, __shfl_xor_sync(0xffffffffU, value, offset));
  }
  const unsigned lane = threadIdx.x % kWarp, warps = blockDim.x / kWarp;
  __syncthreads();  // nobody still reads the results of the call before
  if (lane == 0) of_warp[threadIdx.x / kWarp] = value;
  __syncthreads();
  value = lane < warps ? of_warp[lane] : Reduction::kNeutral;
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    value = Reduction::Join(value, __shfl_xor_sync(0xffffffffU, value, offset));
  }
  return value;
}

/// Calls body(k, p) for the packs p of a row of `packs` that this thread keeps as its k-th.
template <int V, typename Body>
__device__ void ForKept(std::int64_t packs, Body&& body) {
#pragma unroll
  for (int k = 0; k < kKept<V>; ++k) {
    const std::int64_t p = threadIdx.x + std::int64_t{k} * blockDim.x;
    if (p < packs) body(k, p);
  }
}

template <int V>
__global__ void __launch_bounds__(kMaxNormThreads)
    NormForwardKernel(const Bf16* __restrict__ x, const Bf16* __restrict__ g, Bf16* __restrict__ y,
                      std::int64_t width) {
  const std::int64_t start = blockIdx.x * width;
  Pack<V> kept[kKept<V>];
  float squares = 0;
  ForKept<V>(width / V, [&](int k, std::int64_t p) {
    kept[k] = Load<V>(x + start + p * V);
    for (int j = 0; j < V; ++j) squares += kept[k][j] * kept[k][j];
  });
  const float scale = rsqrtf(OverBlock<Sum>(squares) / static_cast<float>(width) + kEpsilon);
  ForKept<V>(width / V, [&](int k, std::int64_t p) {
    const Pack<V> gain = Load<V>(g + p * V);
    Pack<V> out;
    for (int j = 0; j < V; ++j) out.Set(j, kept[k][j] * scale * gain[j]);
    Store(y + start + p * V, out);
  });
}

/// With s = 1/rms(x): dx = s·g·dy − x·s³/width·Σ g·dy·x, and this block's share of dg = Σ over rows of dy·x·s. A block
/// takes every gridDim.x-th row and keeps its columns' dg in registers; partial[block] holds it at the end. dx may be
/// dy: a thread has read its values of a row before it writes them.
template <int V>
__global__ void __launch_bounds__(kMaxNormThreads)
    NormBackwardKernel(const Bf16* dy, const Bf16* __restrict__ x, const Bf16* __restrict__ g, Bf16* dx,
                       float* __restrict__ partial, std::int64_t rows, std::int64_t width) {
  float gain_slope[32] = {};
  for (std::int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const std::int64_t start = row * width;
    Pack<V> value[kKept<V>], slope[kKept<V>];
    float squares = 0, product = 0;
    ForKept<V>(width / V, [&](int k, std::int64_t p) {
      value[k] = Load<V>(x + start + p * V);
      slope[k] = Load<V>(dy + start + p * V);
      const Pack<V> gain = Load<V>(g + p * V);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        squares += value[k][j] * value[k][j];
        product += slope[k][j] * gain[j] * value[k][j];
      }
    });
    const float scale = rsqrtf(OverBlock<Sum>(squares) / static_cast<float>(width) + kEpsilon);
    const float pull = OverBlock<Sum>(product) * scale * scale * scale / static_cast<float>(width);
    ForKept<V>(width / V, [&](int k, std::int64_t p) {
      const Pack<V> gain = Load<V>(g + p * V);
      Pack<V> out;
#pragma unroll
      for (int j = 0; j < V; ++j) {
        out.Set(j, scale * gain[j] * slope[k][j] - value[k][j] * pull);
        gain_slope[k * V + j] += slope[k][j] * value[k][j] * scale;
      }
      Store(dx + start + p * V, out);
    });
  }
  ForKept<V>(width / V, [&](int k, std::int64_t p) {
#pragma unroll
    for (int j = 0; j < V; ++j) partial[blockIdx.x * width + p * V + j] = gain_slope[k * V + j];
  });
}

/// y[c] (+)= Σ over rows of x[r][c]: 32 columns a block, 32 threads down each.
__global__ void SumRows(const float* __restrict__ x, float* __restrict__ y, std::int64_t rows, std::int64_t width,
                        bool add) {
  __shared__ float sums[kWarp][kWarp + 1];
  const std::int64_t column = std::int64_t{blockIdx.x} * kWarp + threadIdx.x;
  float sum = 0;
  if (column < width) {
    for (std::int64_t row = threadIdx.y; row < rows; row += kWarp) sum += x[row * width + column];
  }
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || column >= width) return;
  float total = 0;
  for (int i = 0; i < kWarp; ++i) total += sums[i][threadIdx.x];
  y[column] = add ? y[column] + total : total;
}

template <int V>
__global__ void __launch_bounds__(kMaxSoftmaxThreads)
    SoftmaxForwardKernel(const Bf16* x, Bf16* y, std::int64_t width, float scale, bool causal) {
  const std::int64_t start = blockIdx.x * width;
  const std::int64_t seen = causal ? blockIdx.x % width + 1 : width;
  Pack<V> kept[kKept<V>];
  float largest = Max::kNeutral;
  ForKept<V>(width / V, [&](int k, std::int64_t p) {
    if (p * V >= seen) return;  // wholly masked: not even read
    kept[k] = Load<V>(x + start + p * V);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      if (p * V + j < seen) largest = fmaxf(largest, kept[k][j]);
    }
  });
  largest = OverBlock<Max>(largest);
  const float per_value = scale * kLog2E;
  float sum = 0;
  ForKept<V>(width / V, [&](int k, std::int64_t p) {
    if (p * V >= seen) return;
#pragma unroll
    for (int j = 0; j < V; ++j) {
      if (p * V + j < seen) sum += exp2f((kept[k][j] - largest) * per_value);
    }
  });
  const float inverse = 1 / OverBlock<Sum>(sum);
  ForKept<V>(width / V, [&](int k, std::int64_t p) {
    Pack<V> out;
#pragma unroll
    for (int j = 0; j < V; ++j) {
      out.Set(j, p * V + j < seen ? exp2f((kept[k][j] - largest) * per_value) * inverse : 0.0f);
    }
    Store(y + start + p * V, out);
  });
}

template <int V>
__global__ void __launch_bounds__(kMaxSoftmaxThreads)
    SoftmaxBackwardKernel(const Bf16* __restrict__ y, const Bf16* dy, Bf16* dx, std::int64_t width) {
  const std::int64_t start = blockIdx.x * width;
  Pack<V> value[kKept<V>], slope[kKept<V>];
  float product = 0;
  ForKept<V>(width / V, [&](int k, std::int64_t p) {
    value[k] = Load<V>(y + start + p * V);
    slope[k] = Load<V>(dy + start + p * V);
#pragma unroll
    for (int j = 0; j < V; ++j) product += value[k][j] * slope[k][j];
  });
  product = OverBlock<Sum>(product);
  ForKept<V>(width / V, [&](int k, std::int64_t p) {
    Pack<V> out;
#pragma unroll
    for (int j = 0; j < V; ++j) out.Set(j, value[k][j] * (slope[k][j] - product));
    Store(dx + start + p * V, out);
  });
}

/// One pass finds maximum and sum together (online softmax), the second writes the gradient.
template <int V>
__global__ void __launch_bounds__(kLossThreads)
    LossKernel(const Bf16* __restrict__ logits, const std::int32_t* __restrict__ targets,
               const float* __restrict__ weights, float* __restrict__ losses, Bf16* __restrict__ dlogits,
               std::int64_t vocab) {
  const std::int64_t start = blockIdx.x * vocab;
  const std::int64_t packs = vocab / V;
  float largest = Max::kNeutral, sum = 0;
  for (std::int64_t p = threadIdx.x; p < packs; p += blockDim.x) {
    const Pack<V> value = Load<V>(logits + start + p * V);
    float next = largest;
#pragma unroll
    for (int j = 0; j < V; ++j) next = fmaxf(next, value[j]);
    sum *= exp2f((largest - next) * kLog2E);
#pragma unroll
    for (int j = 0; j < V; ++j) sum += exp2f((value[j] - next) * kLog2E);
    largest = next;
  }
  const float of_row = OverBlock<Max>(largest);
  sum = OverBlock<Sum>(sum * exp2f((largest - of_row) * kLog2E));
  const float log_sum = of_row + logf(sum);
  const std::int64_t target = targets[blockIdx.x];
  const float weight = weights == nullptr ? 1.0f : weights[blockIdx.x];
  for (std::int64_t p = threadIdx.x; p < packs; p += blockDim.x) {
    const Pack<V> value = Load<V>(logits + start + p * V);
    Pack<V> out;
#pragma unroll
    for (int j = 0; j < V; ++j) {
      out.Set(j, weight * (exp2f((value[j] - log_sum) * kLog2E) - (p * V + j == target ? 1.0f : 0.0f)));
    }
    Store(dlogits + start + p * V, out);
  }
  if (threadIdx.x == 0) losses[blockIdx.x] = log_sum - __bfloat162float(logits[start + target]);
}

/// Whole warps, so that each thread keeps at most 32 values of the row.
unsigned RowThreads(std::int64_t width) {
  const std::int64_t threads = (width + 31) / 32;
  return static_cast<unsigned>((threads + kWarp - 1) / kWarp * kWarp);
}

void CheckWidth(std::int64_t width, std::int64_t limit) {
  if (width > limit)
    throw Unsupported("rows of " + std::to_string(width) + " values; at most " + std::to_string(limit));
}

}  // namespace

void NormForward(const Bf16* x, const Bf16* g, Bf16* y, std::int64_t rows, std::int64_t width, cudaStream_t stream) {
  CheckWidth(width, kMaxNormWidth);
  WithPack(width % 8 == 0 && Aligned16(x) && Aligned16(g) && Aligned16(y), [&](auto pack) {
    constexpr int V = decltype(pack)::value;
    NormForwardKernel<V><<<static_cast<unsigned>(rows), RowThreads(width), 0, stream>>>(x, g, y, width);
  });
}

std::int64_t NormPartialRows(std::int64_t rows) {
  return std::min<std::int64_t>(rows, std::int64_t{kPartialsPerMultiprocessor} * Multiprocessors());
}

void NormBackward(const Bf16* dy, const Bf16* x, const Bf16* g, Bf16* dx, float* dg, float* partial, std::int64_t rows,
                  std::int64_t width, cudaStream_t stream, bool add) {
  CheckWidth(width, kMaxNormWidth);
  const std::int64_t blocks = NormPartialRows(rows);
  WithPack(width % 8 == 0 && Aligned16(dy) && Aligned16(x) && Aligned16(g) && Aligned16(dx), [&](auto pack) {
    constexpr int V = decltype(pack)::value;
    NormBackwardKernel<V>
        <<<static_cast<unsigned>(blocks), RowThreads(width), 0, stream>>>(dy, x, g, dx, partial, rows, width);
  });
  SumRows<<<static_cast<unsigned>((width + kWarp - 1) / kWarp), dim3(kWarp, kWarp), 0, stream>>>(partial, dg, blocks,
                                                                                                 width, add);
  DFLOP_CUDA_CHECK(cudaGetLastError());
}

void SoftmaxForward(const Bf16* x, Bf16* y, std::int64_t rows, std::int64_t width, float scale, bool causal,
                    cudaStream_t stream) {
  CheckWidth(width, kMaxSoftmaxWidth);
  WithPack(width % 8 == 0 && Aligned16(x) && Aligned16(y), [&](auto pack) {
    constexpr int V = decltype(pack)::value;
    SoftmaxForwardKernel<V><<<static_cast<unsigned>(rows), RowThreads(width), 0, stream>>>(x, y, width, scale, causal);
  });
}

void SoftmaxBackward(const Bf16* y, const Bf16* dy, Bf16* dx, std::int64_t rows, std::int64_t width,
                     cudaStream_t stream) {
  CheckWidth(width, kMaxSoftmaxWidth);
  WithPack(width % 8 == 0 && Aligned16(y) && Aligned16(dy) && Aligned16(dx), [&](auto pack) {
    constexpr int V = decltype(pack)::value;
    SoftmaxBackwardKernel<V><<<static_cast<unsigned>(rows), RowThreads(width), 0, stream>>>(y, dy, dx, width);
  });
}

void Loss(const Bf16* logits, const std::int32_t* targets, float* losses, Bf16* dlogits, std::int64_t tokens,
          std::int64_t vocab, cudaStream_t stream, const float* weights) {
  WithPack(vocab % 8 == 0 && Aligned16(logits) && Aligned16(dlogits), [&](auto pack) {
    constexpr int V = decltype(pack)::value;
    LossKernel<V>
        <<<static_cast<unsigned>(tokens), kLossThreads, 0, stream>>>(logits, targets, weights, losses, dlogits, vocab);
  });
}

}  // namespace dflop::cuda
