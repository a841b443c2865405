// Several bf16 values by one load: a kernel is written once over Pack<8> (16 bytes) and Pack<1>, and the host picks.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "real_runner/cuda/check.hpp"

namespace dflop::cuda {

template <int kCount>
struct alignas(2 * kCount) Pack {
  __nv_bfloat16 values[kCount];
  __device__ float operator[](int i) const { return __bfloat162float(values[i]); }
  __device__ void Set(int i, float value) { values[i] = __float2bfloat16(value); }
};

template <int kCount>
__device__ Pack<kCount> Load(const __nv_bfloat16* x) {
  return *reinterpret_cast<const Pack<kCount>*>(x);
}

template <int kCount>
__device__ void Store(__nv_bfloat16* x, const Pack<kCount>& pack) {
  *reinterpret_cast<Pack<kCount>*>(x) = pack;
}

inline bool Aligned16(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0; }

/// Calls `start` with the widest pack that divides every element count given and fits every address.
template <typename Start>
void WithPack(bool wide, Start&& start) {
  if (wide) {
    start(std::integral_constant<int, 8>{});
  } else {
    start(std::integral_constant<int, 1>{});
  }
  DFLOP_CUDA_CHECK(cudaGetLastError());
}

}  // namespace dflop::cuda
