// The memory-bound operations, loss and optimizer on plain arrays; what they compute is in real_runner/operations.hpp.
#pragma once

#include <cstdint>

namespace dflop::cpu {

using Count = std::int64_t;

void NormForward(const float* x, const float* weight, float* y, Count rows, Count width);
/// dx may be dy itself. dweight is overwritten.
void NormBackward(const float* dy, const float* x, const float* weight, float* dx, float* dweight, Count rows,
                  Count width);

/// y = silu(u)·v; `stride` values from one row of u and v to the next, y is dense.
void GatedSilu(const float* u, const float* v, float* y, Count rows, Count width, Count stride);
/// du and dv lie as u and v do.
void GatedSiluBackward(const float* dy, const float* u, const float* v, float* du, float* dv, Count rows, Count width,
                       Count stride);
/// y = silu(u), and du = dy·silu'(u).
void Silu(const float* u, float* y, Count values);
void SiluBackward(const float* dy, const float* u, float* du, Count values);

/// Where rows of pairs (i, i + width/2) stand: `heads` of them side by side at every position.
struct RotaryRows {
  Count positions = 0;
  Count heads = 1;
  Count width = 0;
  Count stride = 0;       ///< values from one position to the next
  float direction = 1.F;  ///< −1 turns back: the gradient
};
/// y lies as x does and may be x.
void Rotate(const float* x, float* y, const RotaryRows& rows);

void Add(const float* a, const float* b, float* y, Count values);
void Softmax(const float* x, float* y, Count rows, Count width);
void Embed(const float* table, const float* ids, float* y, Count rows, Count width);
void Copy(const float* x, float* y, Count values);

void CrossEntropy(const float* logits, const float* targets, float* losses, float* dlogits, Count tokens, Count vocab);
/// AdamW in place, and the weights once more into `low`.
void AdamW(float* weights, float* m, float* v, const float* gradient, float* low, Count values);

}  // namespace dflop::cpu
