// Float64 building blocks of the kernel reference, and a whole transformer layer out of them. Plain loops, no tricks.
#pragma once

#include <cstddef>
#include <vector>

#include "traces/cost_trace.hpp"

namespace dflop::reference {

using Values = std::vector<double>;

Values MultiplyTransposed(const Values& a, const Values& b, std::size_t m, std::size_t n, std::size_t k);  ///< A·Bᵀ
Values Multiply(const Values& a, const Values& b, std::size_t m, std::size_t n, std::size_t k);            ///< A·B
Values TransposedMultiply(const Values& a, const Values& b, std::size_t m, std::size_t n, std::size_t k);  ///< Aᵀ·B

double Silu(double x);
double SiluSlope(double x);
void SoftmaxRows(Values& rows, std::size_t width);
/// Turns the pairs (i, i + width/2) of one row by position · base^(−2i/width); `direction` −1 turns back.
void Rotate(double* row, std::size_t width, double position, double direction);

Values Norm(const Values& x, const Values& weight, std::size_t width);
struct NormGradients {
  Values dx;
  Values dweight;
};
NormGradients NormBackward(const Values& dy, const Values& x, const Values& weight, std::size_t width);

struct AttentionShape {
  std::size_t batch, seq, heads, kv_heads, head_dim;
  bool causal;
};
struct AttentionGradients {
  Values dq, dk, dv;
};
/// q [batch, seq, heads, d], k and v [batch, seq, kv_heads, d]; query head h uses key head h·kv_heads/heads.
class Attention {
 public:
  Attention(const AttentionShape& shape, Values q, Values k, Values v);
  Values Forward() const;
  AttentionGradients Backward(const Values& d_o) const;

 private:
  std::size_t Query(std::size_t b, std::size_t s, std::size_t head) const;
  std::size_t Key(std::size_t b, std::size_t s, std::size_t head) const;
  /// Probabilities of one query over the keys that it sees.
  Values Probabilities(std::size_t b, std::size_t head, std::size_t query) const;

  AttentionShape shape_;
  Values q_, k_, v_;
};

struct LayerWeights {
  Values norm1, qkv, out, norm2, up, down;
};
struct LayerGradients {
  Values dx;
  LayerWeights weights;
};
/// A `layer` row: x + attention(norm(x)), then + ffn(norm(…)).
class Layer {
 public:
  Layer(const CostRow& row, Values x, LayerWeights weights);
  const Values& y() const { return y_; }
  LayerGradients Backward(const Values& dy) const;

 private:
  std::size_t up_width() const { return gated_ ? 2 * ffn_ : ffn_; }
  std::size_t qkv_width() const { return (shape_.heads + 2 * shape_.kv_heads) * shape_.head_dim; }
  bool rotary() const { return gated_ && shape_.causal; }
  std::size_t tokens() const { return shape_.batch * shape_.seq; }
  /// The columns [first, first + width) of a [tokens, stride] matrix, and back.
  Values Columns(const Values& from, std::size_t stride, std::size_t first, std::size_t width) const;
  void PutColumns(const Values& columns, Values& into, std::size_t stride, std::size_t first, std::size_t width) const;
  void RotateHeads(Values& heads, std::size_t count, double direction) const;
  Attention MakeAttention() const;

  AttentionShape shape_;
  std::size_t hidden_, ffn_;
  bool gated_;
  Values x_;
  LayerWeights w_;
  Values normed1_, q_, k_, v_, context_, middle_, normed2_, up_, act_, y_;
};

}  // namespace dflop::reference
