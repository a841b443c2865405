// Derivatives are written out from the formulas, not taken from any kernel.
#include "tests/real_runner/layer_reference.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "real_runner/kernels/operations.hpp"

namespace dflop::reference {

Values MultiplyTransposed(const Values& a, const Values& b, std::size_t m, std::size_t n, std::size_t k) {
  Values c(m * n);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t l = 0; l < k; ++l) c[i * n + j] += a[i * k + l] * b[j * k + l];
    }
  }
  return c;
}

Values Multiply(const Values& a, const Values& b, std::size_t m, std::size_t n, std::size_t k) {
  Values c(m * n);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t l = 0; l < k; ++l) {
      for (std::size_t j = 0; j < n; ++j) c[i * n + j] += a[i * k + l] * b[l * n + j];
    }
  }
  return c;
}

Values TransposedMultiply(const Values& a, const Values& b, std::size_t m, std::size_t n, std::size_t k) {
  Values c(m * n);
  for (std::size_t l = 0; l < k; ++l) {
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j < n; ++j) c[i * n + j] += a[l * m + i] * b[l * n + j];
    }
  }
  return c;
}

double Silu(double x) { return x / (1 + std::exp(-x)); }

double SiluSlope(double x) {
  const double sigmoid = 1 / (1 + std::exp(-x));
  return sigmoid * (1 + x * (1 - sigmoid));
}

void SoftmaxRows(Values& rows, std::size_t width) {
  for (std::size_t first = 0; first < rows.size(); first += width) {
    const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(first);
    const auto end = begin + static_cast<std::ptrdiff_t>(width);
    const double highest = *std::max_element(begin, end);
    double sum = 0;
    for (auto value = begin; value != end; ++value) sum += * value = std::exp(*value - highest);
    for (auto value = begin; value != end; ++value) *value /= sum;
  }
}

void Rotate(double* row, std::size_t width, double position, double direction) {
  const std::size_t pairs = width / 2;
  for (std::size_t i = 0; i < pairs; ++i) {
    const double angle =
        direction * position * std::pow(kRotaryBase, -2 * static_cast<double>(i) / static_cast<double>(width));
    const double first = row[i];
    const double second = row[i + pairs];
    row[i] = first * std::cos(angle) - second * std::sin(angle);
    row[i + pairs] = first * std::sin(angle) + second * std::cos(angle);
  }
}

Values Norm(const Values& x, const Values& weight, std::size_t width) {
  Values y(x.size());
  for (std::size_t first = 0; first < x.size(); first += width) {
    double squares = 0;
    for (std::size_t c = 0; c < width; ++c) squares += x[first + c] * x[first + c];
    const double rms = std::sqrt(squares / static_cast<double>(width) + kNormEpsilon);
    for (std::size_t c = 0; c < width; ++c) y[first + c] = x[first + c] / rms * weight[c];
  }
  return y;
}

// y_c = x_c·g_c/rms, so dx_c = (dy_c·g_c − x_c·Σ dy·g·x / (width·rms²)) / rms.
NormGradients NormBackward(const Values& dy, const Values& x, const Values& weight, std::size_t width) {
  NormGradients gradients{Values(x.size()), Values(width)};
  for (std::size_t first = 0; first < x.size(); first += width) {
    double squares = 0;
    double product = 0;
    for (std::size_t c = 0; c < width; ++c) {
      squares += x[first + c] * x[first + c];
      product += dy[first + c] * weight[c] * x[first + c];
    }
    const double mean = squares / static_cast<double>(width) + kNormEpsilon;
    const double rms = std::sqrt(mean);
    for (std::size_t c = 0; c < width; ++c) {
      const double pull = x[first + c] * product / (static_cast<double>(width) * mean);
      gradients.dx[first + c] = (dy[first + c] * weight[c] - pull) / rms;
      gradients.dweight[c] += dy[first + c] * x[first + c] / rms;
    }
  }
  return gradients;
}

Attention::Attention(const AttentionShape& shape, Values q, Values k, Values v)
    : shape_(shape), q_(std::move(q)), k_(std::move(k)), v_(std::move(v)) {}

std::size_t Attention::Query(std::size_t b, std::size_t s, std::size_t head) const {
  return ((b * shape_.seq + s) * shape_.heads + head) * shape_.head_dim;
}

std::size_t Attention::Key(std::size_t b, std::size_t s, std::size_t head) const {
  return ((b * shape_.seq + s) * shape_.kv_heads + head * shape_.kv_heads / shape_.heads) * shape_.head_dim;
}

Values Attention::Probabilities(std::size_t b, std::size_t head, std::size_t query) const {
  Values scores(shape_.causal ? query + 1 : shape_.seq);
  for (std::size_t key = 0; key < scores.size(); ++key) {
    for (std::size_t c = 0; c < shape_.head_dim; ++c) {
      scores[key] += q_[Query(b, query, head) + c] * k_[Key(b, key, head) + c];
    }
    scores[key] /= std::sqrt(static_cast<double>(shape_.head_dim));
  }
  SoftmaxRows(scores, scores.size());
  return scores;
}

Values Attention::Forward() const {
  Values o(q_.size());
  for (std::size_t b = 0; b < shape_.batch; ++b) {
    for (std::size_t head = 0; head < shape_.heads; ++head) {
      for (std::size_t query = 0; query < shape_.seq; ++query) {
        const Values p = Probabilities(b, head, query);
        for (std::size_t key = 0; key < p.size(); ++key) {
          for (std::size_t c = 0; c < shape_.head_dim; ++c) {
            o[Query(b, query, head) + c] += p[key] * v_[Key(b, key, head) + c];
          }
        }
      }
    }
  }
  return o;
}

AttentionGradients Attention::Backward(const Values& d_o) const {
  AttentionGradients g{Values(q_.size()), Values(k_.size()), Values(v_.size())};
  const double scale = 1 / std::sqrt(static_cast<double>(shape_.head_dim));
  for (std::size_t b = 0; b < shape_.batch; ++b) {
    for (std::size_t head = 0; head < shape_.heads; ++head) {
      for (std::size_t query = 0; query < shape_.seq; ++query) {
        const Values p = Probabilities(b, head, query);
        const std::size_t row = Query(b, query, head);
        Values dp(p.size());
        double mean = 0;
        for (std::size_t key = 0; key < p.size(); ++key) {
          for (std::size_t c = 0; c < shape_.head_dim; ++c) dp[key] += d_o[row + c] * v_[Key(b, key, head) + c];
          mean += p[key] * dp[key];
        }
        for (std::size_t key = 0; key < p.size(); ++key) {
          const double ds = scale * p[key] * (dp[key] - mean);
          for (std::size_t c = 0; c < shape_.head_dim; ++c) {
            g.dv[Key(b, key, head) + c] += p[key] * d_o[row + c];
            g.dq[row + c] += ds * k_[Key(b, key, head) + c];
            g.dk[Key(b, key, head) + c] += ds * q_[row + c];
          }
        }
      }
    }
  }
  return g;
}

namespace {

Values Sum(Values a, const Values& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

AttentionShape ShapeOf(const CostRow& row) {
  const auto size = [&](const char* name) { return static_cast<std::size_t>(row.dimension(name)); };
  return {size("tokens") / size("seq"), size("seq"), size("heads"), size("kv_heads"), size("hidden") / size("heads"),
          row.dimension("causal") > 0};
}

}  // namespace

Layer::Layer(const CostRow& row, Values x, LayerWeights weights)
    : shape_(ShapeOf(row)),
      hidden_(static_cast<std::size_t>(row.dimension("hidden"))),
      ffn_(static_cast<std::size_t>(row.dimension("ffn_hidden"))),
      gated_(row.dimension("gated") > 0),
      x_(std::move(x)),
      w_(std::move(weights)) {
  const std::size_t kv_width = shape_.kv_heads * shape_.head_dim;
  normed1_ = Norm(x_, w_.norm1, hidden_);
  const Values qkv = MultiplyTransposed(normed1_, w_.qkv, tokens(), qkv_width(), hidden_);
  q_ = Columns(qkv, qkv_width(), 0, hidden_);
  k_ = Columns(qkv, qkv_width(), hidden_, kv_width);
  v_ = Columns(qkv, qkv_width(), hidden_ + kv_width, kv_width);
  if (rotary()) RotateHeads(q_, shape_.heads, 1), RotateHeads(k_, shape_.kv_heads, 1);
  context_ = MakeAttention().Forward();
  middle_ = Sum(MultiplyTransposed(context_, w_.out, tokens(), hidden_, hidden_), x_);
  normed2_ = Norm(middle_, w_.norm2, hidden_);
  up_ = MultiplyTransposed(normed2_, w_.up, tokens(), up_width(), hidden_);
  act_ = Columns(up_, up_width(), 0, ffn_);
  for (double& value : act_) value = Silu(value);
  if (gated_) {
    const Values v = Columns(up_, up_width(), ffn_, ffn_);
    for (std::size_t i = 0; i < act_.size(); ++i) act_[i] *= v[i];
  }
  y_ = Sum(MultiplyTransposed(act_, w_.down, tokens(), hidden_, ffn_), middle_);
}

Attention Layer::MakeAttention() const { return {shape_, q_, k_, v_}; }

Values Layer::Columns(const Values& from, std::size_t stride, std::size_t first, std::size_t width) const {
  Values columns(tokens() * width);
  for (std::size_t t = 0; t < tokens(); ++t) {
    for (std::size_t c = 0; c < width; ++c) columns[t * width + c] = from[t * stride + first + c];
  }
  return columns;
}

void Layer::PutColumns(const Values& columns, Values& into, std::size_t stride, std::size_t first,
                       std::size_t width) const {
  for (std::size_t t = 0; t < tokens(); ++t) {
    for (std::size_t c = 0; c < width; ++c) into[t * stride + first + c] = columns[t * width + c];
  }
}

void Layer::RotateHeads(Values& heads, std::size_t count, double direction) const {
  for (std::size_t t = 0; t < tokens(); ++t) {
    for (std::size_t head = 0; head < count; ++head) {
      Rotate(&heads[(t * count + head) * shape_.head_dim], shape_.head_dim, static_cast<double>(t % shape_.seq),
             direction);
    }
  }
}

LayerGradients Layer::Backward(const Values& dy) const {
  const std::size_t t = tokens();
  const std::size_t kv_width = shape_.kv_heads * shape_.head_dim;
  LayerGradients g;
  const Values d_act = Multiply(dy, w_.down, t, ffn_, hidden_);
  g.weights.down = TransposedMultiply(dy, act_, hidden_, ffn_, t);
  Values du = Columns(up_, up_width(), 0, ffn_);
  Values dv(du.size());
  const Values v = gated_ ? Columns(up_, up_width(), ffn_, ffn_) : Values(du.size(), 1.0);
  for (std::size_t i = 0; i < du.size(); ++i) {
    dv[i] = d_act[i] * Silu(du[i]);
    du[i] = d_act[i] * v[i] * SiluSlope(du[i]);
  }
  Values d_up(t * up_width());
  PutColumns(du, d_up, up_width(), 0, ffn_);
  if (gated_) PutColumns(dv, d_up, up_width(), ffn_, ffn_);
  g.weights.up = TransposedMultiply(d_up, normed2_, up_width(), hidden_, t);
  const NormGradients norm2 = NormBackward(Multiply(d_up, w_.up, t, hidden_, up_width()), middle_, w_.norm2, hidden_);
  g.weights.norm2 = norm2.dweight;
  const Values d_middle = Sum(norm2.dx, dy);
  g.weights.out = TransposedMultiply(d_middle, context_, hidden_, hidden_, t);
  AttentionGradients attention = MakeAttention().Backward(Multiply(d_middle, w_.out, t, hidden_, hidden_));
  if (rotary()) RotateHeads(attention.dq, shape_.heads, -1), RotateHeads(attention.dk, shape_.kv_heads, -1);
  Values d_qkv(t * qkv_width());
  PutColumns(attention.dq, d_qkv, qkv_width(), 0, hidden_);
  PutColumns(attention.dk, d_qkv, qkv_width(), hidden_, kv_width);
  PutColumns(attention.dv, d_qkv, qkv_width(), hidden_ + kv_width, kv_width);
  g.weights.qkv = TransposedMultiply(d_qkv, normed1_, qkv_width(), hidden_, t);
  const NormGradients norm1 = NormBackward(Multiply(d_qkv, w_.qkv, t, hidden_, qkv_width()), x_, w_.norm1, hidden_);
  g.weights.norm1 = norm1.dweight;
  g.dx = Sum(norm1.dx, d_middle);
  return g;
}

}  // namespace dflop::reference
