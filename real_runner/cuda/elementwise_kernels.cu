// Kernels that treat every value by itself. What they cost is the bytes they move, so each tensor is read or written
// once, 16 bytes a thread; a tail that fills no pack is done value by value.
#include <algorithm>
#include <cmath>

#include "real_runner/cuda/kernels.hpp"
#include "real_runner/cuda/multiprocessors.hpp"
#include "real_runner/cuda/vector_access.cuh"
#include "real_runner/kernels/operations.hpp"

namespace dflop::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kMaxBlocks = std::int64_t{1} << 22;
constexpr std::int64_t kMaxRowBlocks = 65535;  // CUDA's limit of gridDim.y
constexpr int kBlocksPerMultiprocessor = 8;
constexpr double kTwoPi = 6.283185307179586;

std::int64_t CeilDivide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

unsigned BlocksFor(std::int64_t items) {
  return static_cast<unsigned>(std::clamp<std::int64_t>(CeilDivide(items, kThreads), 1, kMaxBlocks));
}

/// The counter-based generator: splitmix64's finaliser of seed and index.
__device__ std::uint64_t Hash(std::uint64_t seed, std::int64_t index) {
  std::uint64_t z = seed + (static_cast<std::uint64_t>(index) + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

__device__ float Uniform(std::uint64_t seed, std::int64_t index) {
  return static_cast<float>(Hash(seed, index) >> 40) * 0x1p-24f;
}

__device__ void Put(float& place, float value) { place = value; }
__device__ void Put(Bf16& place, float value) { place = __float2bfloat16(value); }

template <typename T>
__global__ void FillUniformKernel(T* x, std::int64_t n, float scale, float shift, std::uint64_t seed) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) {
    Put(x[i], scale * (2 * Uniform(seed, i) - 1) + shift);
  }
}

__global__ void FillIndicesKernel(std::int32_t* x, std::int64_t n, std::int32_t bound, std::uint64_t seed) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) {
    x[i] = static_cast<std::int32_t>(Hash(seed, i) % static_cast<std::uint64_t>(bound));
  }
}

/// Calls op.Run<width>(first) for every pack of `kWide` values, and op.Run<1>(i) for what is left.
template <int kWide, typename Op>
__global__ void Elementwise(Op op, std::int64_t n) {
  const std::int64_t packs = n / kWide;
  const std::int64_t thread = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t p = thread; p < packs; p += step) op.template Run<kWide>(p * kWide);
  if (thread < n - packs * kWide) op.template Run<1>(packs * kWide + thread);
}

template <int kWide, typename Op>
void StartElementwise(const Op& op, std::int64_t n, cudaStream_t stream) {
  Elementwise<kWide><<<BlocksFor(CeilDivide(n, kWide)), kThreads, 0, stream>>>(op, n);
  DFLOP_CUDA_CHECK(cudaGetLastError());
}

struct AddOp {  // y may be a or b: each thread reads its values before it writes them
  const Bf16* a;
  const Bf16* b;
  Bf16* y;
  template <int V>
  __device__ void Run(std::int64_t i) const {
    const Pack<V> left = Load<V>(a + i), right = Load<V>(b + i);
    Pack<V> sum;
#pragma unroll
    for (int j = 0; j < V; ++j) sum.Set(j, left[j] + right[j]);
    Store(y + i, sum);
  }
};

struct CopyOp {
  const Bf16* __restrict__ x;
  Bf16* __restrict__ y;
  template <int V>
  __device__ void Run(std::int64_t i) const {
    if constexpr (V == 1) {
      y[i] = x[i];
    } else {  // two loads in flight before the first store
      const Pack<8> first = Load<8>(x + i), second = Load<8>(x + i + 8);
      Store(y + i, first);
      Store(y + i + 8, second);
    }
  }
};

struct AdamWOp {
  float* __restrict__ w;
  float* __restrict__ m;
  float* __restrict__ v;
  const float* __restrict__ gradient;
  Bf16* __restrict__ copy;
  AdamW set;
  float unbias1, unbias2;  // 1/(1 − βᵗ)

  __device__ void Step(float& weight, float& first, float& second, float slope) const {
    first = set.beta1 * first + (1 - set.beta1) * slope;
    second = set.beta2 * second + (1 - set.beta2) * slope * slope;
    const float change = first * unbias1 / (sqrtf(second * unbias2) + set.epsilon);
    weight -= set.learning_rate * (change + set.weight_decay * weight);
  }
  template <int V>
  __device__ void Run(std::int64_t i) const {
    if constexpr (V == 1) {
      Step(w[i], m[i], v[i], gradient[i]);
      Put(copy[i], w[i]);
    } else {
      float4 weight = *reinterpret_cast<const float4*>(w + i);
      float4 first = *reinterpret_cast<const float4*>(m + i);
      float4 second = *reinterpret_cast<const float4*>(v + i);
      const float4 slope = *reinterpret_cast<const float4*>(gradient + i);
      Step(weight.x, first.x, second.x, slope.x);
      Step(weight.y, first.y, second.y, slope.y);
      Step(weight.z, first.z, second.z, slope.z);
      Step(weight.w, first.w, second.w, slope.w);
      *reinterpret_cast<float4*>(w + i) = weight;
      *reinterpret_cast<float4*>(m + i) = first;
      *reinterpret_cast<float4*>(v + i) = second;
      Pack<4> low;
      low.Set(0, weight.x), low.Set(1, weight.y), low.Set(2, weight.z), low.Set(3, weight.w);
      Store(copy + i, low);
    }
  }
};

__device__ float Sigmoid(float u) { return 1 / (1 + __expf(-u)); }

/// Rows that may lie apart: calls op.Run<width>(row, first column) for every pack, and op.Run<1> for a row's tail.
template <int kWide, typename Op>
__global__ void RowElementwise(Op op, std::int64_t rows, std::int64_t width) {
  const std::int64_t packs = width / kWide;
  const std::int64_t thread = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t row = blockIdx.y; row < rows; row += gridDim.y) {
    for (std::int64_t p = thread; p < packs; p += step) op.template Run<kWide>(row, p * kWide);
    if (thread < width - packs * kWide) op.template Run<1>(row, packs * kWide + thread);
  }
}

/// `wide`: every row starts at a multiple of 16 bytes in every tensor.
template <typename Op>
void StartRows(bool wide, const Op& op, std::int64_t rows, std::int64_t width, cudaStream_t stream) {
  WithPack(wide, [&](auto pack) {
    constexpr int V = decltype(pack)::value;
    const dim3 grid(BlocksFor(CeilDivide(width, V)), static_cast<unsigned>(std::min(rows, kMaxRowBlocks)));
    RowElementwise<V><<<grid, kThreads, 0, stream>>>(op, rows, width);
  });
}

/// Whether all rows of such tensors start at multiples of 16 bytes when the first one does.
bool RowsAligned(const ActivationShape& shape) {
  return shape.rows == 1 || (shape.width % 8 == 0 && shape.stride % 8 == 0);
}

template <bool kGated>
struct ActivationForwardOp {
  const Bf16* __restrict__ u;
  const Bf16* __restrict__ v;
  Bf16* __restrict__ y;
  ActivationShape shape;
  template <int V>
  __device__ void Run(std::int64_t row, std::int64_t column) const {
    const std::int64_t in = row * shape.stride + column;
    const Pack<V> gate = Load<V>(u + in);
    Pack<V> other, out;
    if constexpr (kGated) other = Load<V>(v + in);
#pragma unroll
    for (int j = 0; j < V; ++j) out.Set(j, gate[j] * Sigmoid(gate[j]) * (kGated ? other[j] : 1.0f));
    Store(y + row * shape.width + column, out);
  }
};

/// d silu(u)/du = s + u·s·(1 − s), s = sigmoid(u).
template <bool kGated>
struct ActivationBackwardOp {
  const Bf16* __restrict__ dy;
  const Bf16* __restrict__ u;
  const Bf16* __restrict__ v;
  Bf16* __restrict__ du;
  Bf16* __restrict__ dv;
  ActivationShape shape;
  template <int V>
  __device__ void Run(std::int64_t row, std::int64_t column) const {
    const std::int64_t in = row * shape.stride + column;
    const Pack<V> slope = Load<V>(dy + row * shape.width + column), gate = Load<V>(u + in);
    Pack<V> other, to_gate, to_other;
    if constexpr (kGated) other = Load<V>(v + in);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      const float s = Sigmoid(gate[j]);
      to_gate.Set(j, slope[j] * (kGated ? other[j] : 1.0f) * s * (1 + gate[j] * (1 - s)));
      to_other.Set(j, slope[j] * gate[j] * s);
    }
    Store(du + in, to_gate);
    if constexpr (kGated) Store(dv + in, to_other);
  }
};

struct ToBf16Op {
  const float* __restrict__ x;
  Bf16* __restrict__ y;
  std::int64_t width, stride;
  template <int V>
  __device__ void Run(std::int64_t row, std::int64_t column) const {
    Pack<V> out;
#pragma unroll
    for (int j = 0; j < V; ++j) out.Set(j, x[row * width + column + j]);
    Store(y + row * stride + column, out);
  }
};

/// A thread keeps its columns for many rows, so that their frequencies are computed once. Angles are reduced in turns
/// with a two-float frequency: exact to fp32 at any position, where the product of two floats would lose it beyond 10⁴.
template <int V>
__global__ void RopeKernel(const Bf16* x, Bf16* y, RopeShape shape, float direction) {
  const int half = shape.dim / 2;
  const int packs_of_head = half / V;
  const int pack = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (pack >= shape.heads * packs_of_head) return;
  const int first = pack % packs_of_head * V;
  const std::int64_t column = std::int64_t{pack / packs_of_head} * shape.dim + first;
  float high[V], low[V];  // turns per position
#pragma unroll
  for (int j = 0; j < V; ++j) {
    const double turns = exp2(-2.0 * (first + j) / shape.dim * log2(kRotaryBase)) / kTwoPi;
    high[j] = static_cast<float>(turns);
    low[j] = static_cast<float>(turns - high[j]);
  }
  for (std::int64_t row = blockIdx.y; row < shape.rows; row += gridDim.y) {
    const std::int64_t place_in_sequence = shape.places == nullptr ? row % shape.positions : shape.places[row];
    const auto position = static_cast<float>(place_in_sequence);
    const std::int64_t place = row * shape.stride + column;
    const Pack<V> a = Load<V>(x + place), b = Load<V>(x + place + half);
    Pack<V> rotated_a, rotated_b;
#pragma unroll
    for (int j = 0; j < V; ++j) {
      const float whole = position * high[j];
      const float rest = fmaf(position, high[j], -whole) + position * low[j];
      float sine, cosine;
      __sincosf(static_cast<float>(kTwoPi) * (whole - rintf(whole) + rest), &sine, &cosine);
      sine *= direction;
      rotated_a.Set(j, a[j] * cosine - b[j] * sine);
      rotated_b.Set(j, a[j] * sine + b[j] * cosine);
    }
    Store(y + place, rotated_a);
    Store(y + place + half, rotated_b);
  }
}

template <int V>
__global__ void EmbeddingKernel(const Bf16* __restrict__ table, const std::int32_t* __restrict__ ids,
                                Bf16* __restrict__ y, std::int64_t width) {
  const Bf16* from = table + ids[blockIdx.x] * width;
  Bf16* to = y + blockIdx.x * width;
  for (std::int64_t p = threadIdx.x; p < width / V; p += blockDim.x) Store(to + p * V, Load<V>(from + p * V));
}

__global__ void DoNothing() {}

__global__ void SpinKernel(std::uint64_t nanoseconds) {
  std::uint64_t start = 0, now = 0;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(start));
  do {
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
  } while (now - start < nanoseconds);
}

}  // namespace

void FillUniform(Bf16* x, std::int64_t n, float scale, float shift, std::uint64_t seed, cudaStream_t stream) {
  FillUniformKernel<<<BlocksFor(n), kThreads, 0, stream>>>(x, n, scale, shift, seed);
  DFLOP_CUDA_CHECK(cudaGetLastError());
}

void FillUniform(float* x, std::int64_t n, float scale, float shift, std::uint64_t seed, cudaStream_t stream) {
  FillUniformKernel<<<BlocksFor(n), kThreads, 0, stream>>>(x, n, scale, shift, seed);
  DFLOP_CUDA_CHECK(cudaGetLastError());
}

void FillIndices(std::int32_t* x, std::int64_t n, std::int32_t bound, std::uint64_t seed, cudaStream_t stream) {
  FillIndicesKernel<<<BlocksFor(n), kThreads, 0, stream>>>(x, n, bound, seed);
  DFLOP_CUDA_CHECK(cudaGetLastError());
}

void ActivationForward(const Bf16* u, const Bf16* v, Bf16* y, ActivationShape shape, cudaStream_t stream) {
  const bool wide = RowsAligned(shape) && Aligned16(u) && Aligned16(v) && Aligned16(y);
  if (v != nullptr) {
    StartRows(wide, ActivationForwardOp<true>{u, v, y, shape}, shape.rows, shape.width, stream);
  } else {
    StartRows(wide, ActivationForwardOp<false>{u, v, y, shape}, shape.rows, shape.width, stream);
  }
}

void ActivationBackward(const Bf16* dy, const Bf16* u, const Bf16* v, Bf16* du, Bf16* dv, ActivationShape shape,
                        cudaStream_t stream) {
  const bool wide =
      RowsAligned(shape) && Aligned16(dy) && Aligned16(u) && Aligned16(v) && Aligned16(du) && Aligned16(dv);
  if (v != nullptr) {
    StartRows(wide, ActivationBackwardOp<true>{dy, u, v, du, dv, shape}, shape.rows, shape.width, stream);
  } else {
    StartRows(wide, ActivationBackwardOp<false>{dy, u, v, du, dv, shape}, shape.rows, shape.width, stream);
  }
}

void Add(const Bf16* a, const Bf16* b, Bf16* y, std::int64_t n, cudaStream_t stream) {
  DFLOP_CHECK(Aligned16(a) && Aligned16(b) && Aligned16(y), "packs start at multiples of 16 bytes");
  StartElementwise<8>(AddOp{a, b, y}, n, stream);
}

void Copy(const Bf16* x, Bf16* y, std::int64_t n, cudaStream_t stream) {
  DFLOP_CHECK(Aligned16(x) && Aligned16(y), "packs start at multiples of 16 bytes");
  StartElementwise<16>(CopyOp{x, y}, n, stream);
}

void ToBf16(const float* x, Bf16* y, std::int64_t rows, std::int64_t width, std::int64_t stride, cudaStream_t stream) {
  StartRows(width % 8 == 0 && stride % 8 == 0 && Aligned16(y), ToBf16Op{x, y, width, stride}, rows, width, stream);
}

void Rope(const Bf16* x, Bf16* y, RopeShape shape, int direction, cudaStream_t stream) {
  DFLOP_CHECK(shape.dim % 2 == 0, "rotary pairs need an even width");
  const bool wide = shape.dim % 16 == 0 && shape.stride % 8 == 0 && Aligned16(x) && Aligned16(y);
  WithPack(wide, [&](auto width) {
    constexpr int V = decltype(width)::value;
    const std::int64_t columns = CeilDivide(std::int64_t{shape.heads} * (shape.dim / 2 / V), kThreads);
    const std::int64_t resident = std::int64_t{Multiprocessors()} * kBlocksPerMultiprocessor;
    const std::int64_t down = std::clamp<std::int64_t>(resident / columns, 1, std::min(shape.rows, kMaxRowBlocks));
    const dim3 grid(static_cast<unsigned>(columns), static_cast<unsigned>(down));
    RopeKernel<V><<<grid, kThreads, 0, stream>>>(x, y, shape, static_cast<float>(direction));
  });
}

void Embedding(const Bf16* table, const std::int32_t* ids, Bf16* y, std::int64_t rows, std::int64_t width,
               cudaStream_t stream) {
  WithPack(width % 8 == 0 && Aligned16(table) && Aligned16(y), [&](auto pack) {
    constexpr int V = decltype(pack)::value;
    EmbeddingKernel<V><<<static_cast<unsigned>(rows), kThreads, 0, stream>>>(table, ids, y, width);
  });
}

void OptimizerStep(float* w, float* m, float* v, const float* gradient, Bf16* copy, std::int64_t n, AdamW settings,
                   cudaStream_t stream) {
  DFLOP_CHECK(Aligned16(w) && Aligned16(m) && Aligned16(v) && Aligned16(gradient) && Aligned16(copy),
              "packs start at multiples of 16 bytes");
  const auto unbias = [&](float beta) {
    return static_cast<float>(1 / (1 - std::pow(static_cast<double>(beta), settings.step)));
  };
  StartElementwise<4>(AdamWOp{w, m, v, gradient, copy, settings, unbias(settings.beta1), unbias(settings.beta2)}, n,
                      stream);
}

void EmptyKernel(cudaStream_t stream) {
  DoNothing<<<1, 1, 0, stream>>>();
  DFLOP_CUDA_CHECK(cudaGetLastError());
}

void Spin(double seconds, cudaStream_t stream) {
  SpinKernel<<<1, 1, 0, stream>>>(static_cast<std::uint64_t>(seconds * 1e9));
  DFLOP_CUDA_CHECK(cudaGetLastError());
}

}  // namespace dflop::cuda
