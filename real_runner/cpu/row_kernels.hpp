// The memory-bound operations, loss and optimizer on plain arrays; what they compute is in
// real_runner/kernels/operations.hpp.
#pragma once

#include <cstdint>

namespace dflop::cpu {

using Count = std::int64_t;

void NormForward(const float* x, const float* weight, float* y, Count rows, Count width);
/// dx may be dy itself. dweight is added to.
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
/// Adds every row of dy to the row of its id.
void EmbedBackward(const float* dy, const float* ids, float* dtable, Count rows, Count width);
/// y [width] = the mean of x's rows; backward: every row of dx gains dy/rows.
void MeanOfRows(const float* x, float* y, Count rows, Count width);
void MeanOfRowsBackward(const float* dy, float* dx, Count rows, Count width);
void Copy(const float* x, float* y, Count values);

/// dlogits: the gradient of Σ weight·loss over the tokens; losses themselves are not weighted. No `weights`: all 1.
void CrossEntropy(const float* logits, const float* targets, const float* weights, float* losses, float* dlogits,
                  Count tokens, Count vocab);
/// AdamW in place with the bias correction of `step` (from 1), and the weights once more into `low` if that is given.
void AdamW(float* weights, float* m, float* v, const float* gradient, float* low, Count values, int step);

}  // namespace dflop::cpu
