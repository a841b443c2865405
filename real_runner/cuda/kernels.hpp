// Our own kernels: everything that moves bytes, as functions of the host that start one kernel (or two) on a stream.
//
// Pointers are device memory; tensors are row-major bf16 (`Bf16`) unless they say float. 16-byte loads and stores are
// used where widths, strides and addresses are multiples of 16 bytes, single elements otherwise. All sizes are 64-bit.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include <cstdint>

namespace dflop::cuda {

using Bf16 = __nv_bfloat16;

/// Wider rows do not fit a block's registers: Unsupported.
inline constexpr std::int64_t kMaxNormWidth = 16384;
inline constexpr std::int64_t kMaxSoftmaxWidth = 32768;

// Filling ---------------------------------------------------------------------------------------------------------

/// Element i becomes scale·(2u − 1) + shift, u in [0, 1) a hash of (seed, i): the same on every device.
void FillUniform(Bf16* x, std::int64_t n, float scale, float shift, std::uint64_t seed, cudaStream_t stream);
void FillUniform(float* x, std::int64_t n, float scale, float shift, std::uint64_t seed, cudaStream_t stream);
/// Uniform in {0, …, bound − 1}.
void FillIndices(std::int32_t* x, std::int64_t n, std::int32_t bound, std::uint64_t seed, cudaStream_t stream);

// One value at a time ---------------------------------------------------------------------------------------------

/// `rows` rows of `width` values; consecutive rows of u and v lie `stride` apart, those of y and the gradients of a
/// plain activation `width` apart. Gated: y = silu(u)·v. Not gated (v null): y = silu(u).
struct ActivationShape {
  std::int64_t rows, width, stride;
};
void ActivationForward(const Bf16* u, const Bf16* v, Bf16* y, ActivationShape shape, cudaStream_t stream);
/// du and dv are laid out as u and v.
void ActivationBackward(const Bf16* dy, const Bf16* u, const Bf16* v, Bf16* du, Bf16* dv, ActivationShape shape,
                        cudaStream_t stream);
/// y may be a or b.
void Add(const Bf16* a, const Bf16* b, Bf16* y, std::int64_t n, cudaStream_t stream);
void Copy(const Bf16* x, Bf16* y, std::int64_t n, cudaStream_t stream);
/// Contiguous rows of `width` floats to rows that lie `stride` apart.
void ToBf16(const float* x, Bf16* y, std::int64_t rows, std::int64_t width, std::int64_t stride, cudaStream_t stream);

/// Rotates pairs (i, i + dim/2) of each head by position·10,000^(−2i/dim); position = row mod `positions`, or what
/// `places` says of the row (sequences of unequal lengths). Head j of row r starts at r·stride + j·dim. `direction` 1
/// forward, −1 backward (the transpose). In place when x == y.
struct RopeShape {
  std::int64_t rows, positions;
  int heads, dim;
  std::int64_t stride;
  const std::int32_t* places = nullptr;
};
void Rope(const Bf16* x, Bf16* y, RopeShape shape, int direction, cudaStream_t stream);

/// y[r] = table[ids[r]], rows of `width`.
void Embedding(const Bf16* table, const std::int32_t* ids, Bf16* y, std::int64_t rows, std::int64_t width,
               cudaStream_t stream);

/// One AdamW step (arXiv 1711.05101): fp32 master weights, moments and gradient in, all but the gradient updated, and a
/// bf16 copy of the new weights.
struct AdamW {
  float learning_rate, beta1, beta2, epsilon, weight_decay;
  int step;  ///< from 1: corrects the moments' bias
};
void OptimizerStep(float* w, float* m, float* v, const float* gradient, Bf16* copy, std::int64_t n, AdamW settings,
                   cudaStream_t stream);

/// Does nothing: what it costs is the launch.
void EmptyKernel(cudaStream_t stream);
/// Keeps the stream busy for that long, so that the launches behind it queue up and then run without the host.
void Spin(double seconds, cudaStream_t stream);

// One row at a time -----------------------------------------------------------------------------------------------

/// y = x/rms(x)·g over rows of `width` ≤ kMaxNormWidth, ε = 1e-5.
void NormForward(const Bf16* x, const Bf16* g, Bf16* y, std::int64_t rows, std::int64_t width, cudaStream_t stream);
/// dx, which may be dy, and dg summed over the rows (and, with `add`, over earlier calls). `partial` holds
/// NormPartialRows(rows)·width floats of scratch.
void NormBackward(const Bf16* dy, const Bf16* x, const Bf16* g, Bf16* dx, float* dg, float* partial, std::int64_t rows,
                  std::int64_t width, cudaStream_t stream, bool add = false);
std::int64_t NormPartialRows(std::int64_t rows);

/// y = softmax(scale·x) over rows of `width` ≤ kMaxSoftmaxWidth; in place when x == y. Causal: row r sees columns
/// 0 … r mod width, the others become 0.
void SoftmaxForward(const Bf16* x, Bf16* y, std::int64_t rows, std::int64_t width, float scale, bool causal,
                    cudaStream_t stream);
/// dx = y·(dy − Σ y·dy); in place when dx == dy.
void SoftmaxBackward(const Bf16* y, const Bf16* dy, Bf16* dx, std::int64_t rows, std::int64_t width,
                     cudaStream_t stream);

/// Cross-entropy of each row and its gradient: losses[r] = log Σ exp(logits[r]) − logits[r][targets[r]];
/// dlogits = softmax(logits) − one-hot(target), of the sum of the losses, each times its row's weight where there are
/// `weights`.
void Loss(const Bf16* logits, const std::int32_t* targets, float* losses, Bf16* dlogits, std::int64_t tokens,
          std::int64_t vocab, cudaStream_t stream, const float* weights = nullptr);

}  // namespace dflop::cuda
