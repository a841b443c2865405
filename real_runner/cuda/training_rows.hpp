// Kernels that only training needs: rows that are gathered, repeated and summed. As in kernels.hpp, pointers are device
// memory. Nothing of this file has run on a GPU yet.
#pragma once

#include "real_runner/cuda/kernels.hpp"
#include "real_runner/training/kernels.hpp"

namespace dflop::cuda {

/// y[range.to] = range.scale·Σ x[range.first …], summed in fp32; `ranges` in device memory.
void RowSums(const Bf16* x, const training::RowRange* ranges, std::int64_t count, Bf16* y, std::int64_t width,
             cudaStream_t stream);

/// y [times, values] += x [values].
void AddRepeated(const Bf16* x, Bf16* y, std::int64_t times, std::int64_t values, cudaStream_t stream);
/// dx [values] += Σ dy [times, values].
void SumRepeated(const Bf16* dy, float* dx, std::int64_t times, std::int64_t values, cudaStream_t stream);

/// y[rows[i]] = table[ids[i]], rows of `width`.
void EmbedAt(const Bf16* table, const std::int32_t* ids, const std::int64_t* rows, std::int64_t count, Bf16* y,
             std::int64_t width, cudaStream_t stream);
/// dtable[ids[i]] += dy[rows[i]], by atomic additions: the order of equal ids is not fixed, and so are the last bits.
void EmbedBackward(const Bf16* dy, const std::int32_t* ids, const std::int64_t* rows, std::int64_t count, float* dtable,
                   std::int64_t width, cudaStream_t stream);

/// *sum += Σ weights·values. One block.
void AddWeighted(const float* weights, const float* values, std::int64_t count, double* sum, cudaStream_t stream);

/// y[i] = Σ of the sources at i, in their order; y may be one of them.
inline constexpr int kMostSources = 64;
struct Sources {
  const float* at[kMostSources];
  int count = 0;
};
void SumSources(const Sources& sources, float* y, std::int64_t n, cudaStream_t stream);

}  // namespace dflop::cuda
