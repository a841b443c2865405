// What the arithmetic of training asks of a device. The worker (training/worker.hpp) and everything under it stands
// once and is instantiated with a class `Kernels` of each backend: cpu/training_kernels.hpp, cuda/training_kernels.hpp.
//
// A class Kernels has, beside the functions below, these types:
//   Value      of weights and activations as kernels use them; weights' gradients and losses are float everywhere
//   Id         of token ids
//   List<T>    an array that the host fills before a step: data()
//   Rows       rows of Value that live outside the activations' memory, because they travel: data(), size()
//   Memory     one growing block: std::byte* Reserve(bytes), aligned to kLineBytes; growing it loses what was there
//   Storage    a stage's parameters and optimizer state (training/stage_parameters.hpp says how)
//   Sum        a sum that kernels add to: Clear(), double Value()
// Matrices are row-major and dense unless said otherwise; every operation comes after those that were asked for before.
//
//   void Upload(List<T>&, std::vector<T>)           void UploadValues(List<Value>&, const std::vector<float>&)
//   void Resize(Rows&, values)                      contents are 0 or undefined
//   void Expect(Rows&, values)                      rows that a message will bring
//
//   void Norm(x, gain, y, rows, width)              y = x/rms(x)·gain
//   void NormBackward(dy, x, gain, dx, dgain, rows, width)   dx may be dy; dgain is added to
//   void Linear(x, w, y, rows, outputs, inputs)     y [rows, outputs] = x [rows, inputs]·wᵀ, w [outputs, inputs]
//   void LinearInput(dy, w, dx, rows, outputs, inputs)       dx = dy·w
//   void LinearWeight(dy, x, dw, rows, outputs, inputs, add) dw (+)= dyᵀ·x
//   std::int64_t StateBytes(shape, pack)            what attention keeps for its backward
//   void Rotate(shape, pack, qkv, direction)        queries and keys of qkv by their positions in their sequences
//   void AttentionForward(shape, pack, qkv, context, state)
//   void AttentionBackward(shape, pack, qkv, context, state, d_context, d_qkv)
//   void Activation(shape, up, act, rows)           silu(u)·v of [rows, 2·ffn] where gated, else silu(u)
//   void ActivationBackward(shape, d_act, up, d_up, rows)
//   void Silu(u, y, values)                         void SiluBackward(dy, u, du, values)
//   void Add(a, b, y, values)                       y may be a or b
//   void Copy(x, y, values)
//   void RowSums(x, ranges, count, y, width)        as RowRange says
//   void AddRepeated(x, y, times, values)           y [times, values] += x [values]
//   void SumRepeated(dy, dx, times, values)         dx [values] += Σ dy [times, values]; dx in float
//   void Embed(table, ids, rows, count, y, width)   y[rows[i]] = table[ids[i]]
//   void EmbedBackward(dy, ids, rows, count, dtable, width)   dtable[ids[i]] += dy[rows[i]]
//   void CrossEntropy(logits, targets, weights, losses, d_logits, tokens, vocab)   d_logits of Σ weight·loss
//   void AddWeighted(weights, losses, count, Sum&)
//
//   Span Time(body)        runs body and waits for what it asked for
//   bool rehearsing()      then operations may make what they will need, and compute nothing; pointers are not valid
//   void Rehearse(bool)
//   void PackRows(piece, rows, alone, payload), PackTiles(piece, tiles, payload), Unpack(message, payload, traffic)
#pragma once

#include <cstdint>

namespace dflop::training {

/// y[to] = scale · Σ x[first … first + count − 1], rows of one width; count 0: zeros.
struct RowRange {
  std::int64_t to = 0;
  std::int64_t first = 0;
  std::int64_t count = 0;
  float scale = 1;
};

}  // namespace dflop::training
