// A whole transformer layer out of the kernels of this folder, forward and backward: what the sum of its operations is
// held against.
#include "real_runner/backend.hpp"
#include "real_runner/cpu/attention.hpp"
#include "real_runner/cpu/cpu_operation.hpp"
#include "real_runner/cpu/matrix.hpp"
#include "real_runner/cpu/row_kernels.hpp"

namespace dflop {
namespace {

using cpu::Matrix;

struct LayerSizes {
  std::int64_t tokens, seq, hidden, ffn, heads, kv_heads, head_dim;
  bool gated, causal;

  explicit LayerSizes(const CostRow& row)
      : tokens(static_cast<std::int64_t>(row.dimension("tokens"))),
        seq(static_cast<std::int64_t>(row.dimension("seq"))),
        hidden(static_cast<std::int64_t>(row.dimension("hidden"))),
        ffn(static_cast<std::int64_t>(row.dimension("ffn_hidden"))),
        heads(static_cast<std::int64_t>(row.dimension("heads"))),
        kv_heads(static_cast<std::int64_t>(row.dimension("kv_heads"))),
        head_dim(hidden / heads),
        gated(row.dimension("gated") > 0),
        causal(row.dimension("causal") > 0) {
    if (tokens % seq != 0 || hidden % heads != 0 || heads % kv_heads != 0) {
      throw Unsupported("a layer needs tokens in whole sequences, hidden in whole heads, heads in whole groups");
    }
  }

  std::int64_t query_width() const { return heads * head_dim; }
  std::int64_t kv_width() const { return kv_heads * head_dim; }
  std::int64_t qkv_width() const { return query_width() + 2 * kv_width(); }
  std::int64_t up_width() const { return gated ? 2 * ffn : ffn; }
  bool rotary() const { return gated && causal; }
  cpu::AttentionSizes attention() const { return {tokens / seq, seq, heads, kv_heads, head_dim, causal}; }
  cpu::AttentionInputs split(float* qkv) const {
    return {qkv, qkv + query_width(), qkv + query_width() + kv_width(), qkv_width(), qkv_width()};
  }
};

// Positions of the tensors in the lists below; the forward's list ends with kAct.
// clang-format off
enum Tensor : std::size_t {
  kX, kNorm1, kQkvWeight, kOutWeight, kNorm2, kUpWeight, kDownWeight,         // inputs
  kY, kNormed1, kQkv, kLse, kContext, kMiddle, kNormed2, kUp, kAct,           // made by the forward
  kDy,                                                                        // input of the backward
  kDx, kDNorm1, kDQkvWeight, kDOutWeight, kDNorm2, kDUpWeight, kDDownWeight,  // outputs of the backward
  kDAct, kDUp, kDMiddle, kDContext, kDQkv                                     // between
};
// clang-format on

std::vector<CpuTensor> ForwardTensors(const LayerSizes& s, Fill y) {
  return {{"x", {s.tokens, s.hidden}},
          {"norm1", {s.hidden}},
          {"qkv", {s.qkv_width(), s.hidden}, Fill::kWeight},
          {"out", {s.hidden, s.query_width()}, Fill::kWeight},
          {"norm2", {s.hidden}},
          {"up", {s.up_width(), s.hidden}, Fill::kWeight},
          {"down", {s.hidden, s.ffn}, Fill::kWeight},
          {"y", {s.tokens, s.hidden}, y},
          {"normed1", {s.tokens, s.hidden}, Fill::kWorkspace},
          {"qkv values", {s.tokens, s.qkv_width()}, Fill::kWorkspace},
          {"lse", {s.heads, s.tokens}, Fill::kWorkspace},
          {"context", {s.tokens, s.query_width()}, Fill::kWorkspace},
          {"middle", {s.tokens, s.hidden}, Fill::kWorkspace},
          {"normed2", {s.tokens, s.hidden}, Fill::kWorkspace},
          {"up values", {s.tokens, s.up_width()}, Fill::kWorkspace},
          {"act", {s.tokens, s.ffn}, Fill::kWorkspace}};
}

std::vector<CpuTensor> BackwardTensors(const LayerSizes& s) {
  std::vector<CpuTensor> tensors = ForwardTensors(s, Fill::kWorkspace);
  const std::vector<CpuTensor> more = {{"dy", {s.tokens, s.hidden}},
                                       {"dx", {s.tokens, s.hidden}, Fill::kOutput},
                                       {"dnorm1", {s.hidden}, Fill::kOutput},
                                       {"dqkv", {s.qkv_width(), s.hidden}, Fill::kOutput},
                                       {"dout", {s.hidden, s.query_width()}, Fill::kOutput},
                                       {"dnorm2", {s.hidden}, Fill::kOutput},
                                       {"dup", {s.up_width(), s.hidden}, Fill::kOutput},
                                       {"ddown", {s.hidden, s.ffn}, Fill::kOutput},
                                       {"dact", {s.tokens, s.ffn}, Fill::kWorkspace},
                                       {"dup values", {s.tokens, s.up_width()}, Fill::kWorkspace},
                                       {"dmiddle", {s.tokens, s.hidden}, Fill::kWorkspace},
                                       {"dcontext", {s.tokens, s.query_width()}, Fill::kWorkspace},
                                       {"dqkv values", {s.tokens, s.qkv_width()}, Fill::kWorkspace}};
  tensors.insert(tensors.end(), more.begin(), more.end());
  return tensors;
}

/// Queries and keys lie side by side, so they turn as one run of heads.
void RotateSequences(const LayerSizes& s, float* qkv, float direction) {
  for (std::int64_t first = 0; first < s.tokens; first += s.seq) {
    float* sequence = qkv + first * s.qkv_width();
    cpu::Rotate(sequence, sequence, {s.seq, s.heads + s.kv_heads, s.head_dim, s.qkv_width(), direction});
  }
}

void Forward(const LayerSizes& s, const TensorPointers& t) {
  const auto tokens = [&](Tensor tensor, std::int64_t width) { return Matrix(t[tensor], s.tokens, width); };
  cpu::NormForward(t[kX], t[kNorm1], t[kNormed1], s.tokens, s.hidden);
  cpu::MultiplyTransposed(tokens(kNormed1, s.hidden), Matrix(t[kQkvWeight], s.qkv_width(), s.hidden),
                          tokens(kQkv, s.qkv_width()));
  if (s.rotary()) RotateSequences(s, t[kQkv], 1);
  cpu::AttentionForward(s.attention(), s.split(t[kQkv]), t[kContext], t[kLse]);
  cpu::MultiplyTransposed(tokens(kContext, s.query_width()), Matrix(t[kOutWeight], s.hidden, s.query_width()),
                          tokens(kMiddle, s.hidden));
  cpu::Add(t[kX], t[kMiddle], t[kMiddle], s.tokens * s.hidden);
  cpu::NormForward(t[kMiddle], t[kNorm2], t[kNormed2], s.tokens, s.hidden);
  cpu::MultiplyTransposed(tokens(kNormed2, s.hidden), Matrix(t[kUpWeight], s.up_width(), s.hidden),
                          tokens(kUp, s.up_width()));
  if (s.gated) {
    cpu::GatedSilu(t[kUp], t[kUp] + s.ffn, t[kAct], s.tokens, s.ffn, s.up_width());
  } else {
    cpu::Silu(t[kUp], t[kAct], s.tokens * s.ffn);
  }
  cpu::MultiplyTransposed(tokens(kAct, s.ffn), Matrix(t[kDownWeight], s.hidden, s.ffn), tokens(kY, s.hidden));
  cpu::Add(t[kMiddle], t[kY], t[kY], s.tokens * s.hidden);
}

/// dInput = dOutput·W and dW = dOutputᵀ·Input.
void LinearBackward(const Matrix& d_output, const Matrix& input, float* weight, float* d_input, float* d_weight) {
  cpu::Multiply(d_output, Matrix(weight, d_output.columns, input.columns), Matrix(d_input, input.rows, input.columns));
  cpu::TransposedMultiply(d_output, input, Matrix(d_weight, d_output.columns, input.columns));
}

/// From dy to dmiddle: the FFN half and its residual.
void FfnBackward(const LayerSizes& s, const TensorPointers& t) {
  const auto tokens = [&](Tensor tensor, std::int64_t width) { return Matrix(t[tensor], s.tokens, width); };
  LinearBackward(tokens(kDy, s.hidden), tokens(kAct, s.ffn), t[kDownWeight], t[kDAct], t[kDDownWeight]);
  if (s.gated) {
    cpu::GatedSiluBackward(t[kDAct], t[kUp], t[kUp] + s.ffn, t[kDUp], t[kDUp] + s.ffn, s.tokens, s.ffn, s.up_width());
  } else {
    cpu::SiluBackward(t[kDAct], t[kUp], t[kDUp], s.tokens * s.ffn);
  }
  LinearBackward(tokens(kDUp, s.up_width()), tokens(kNormed2, s.hidden), t[kUpWeight], t[kDMiddle], t[kDUpWeight]);
  cpu::NormBackward(t[kDMiddle], t[kMiddle], t[kNorm2], t[kDMiddle], t[kDNorm2], s.tokens, s.hidden);
  cpu::Add(t[kDMiddle], t[kDy], t[kDMiddle], s.tokens * s.hidden);
}

/// From dmiddle to dx: the attention half and its residual.
void AttentionHalfBackward(const LayerSizes& s, const TensorPointers& t) {
  const auto tokens = [&](Tensor tensor, std::int64_t width) { return Matrix(t[tensor], s.tokens, width); };
  LinearBackward(tokens(kDMiddle, s.hidden), tokens(kContext, s.query_width()), t[kOutWeight], t[kDContext],
                 t[kDOutWeight]);
  cpu::AttentionBackward(s.attention(), s.split(t[kQkv]), t[kContext], t[kLse], t[kDContext], s.split(t[kDQkv]));
  if (s.rotary()) RotateSequences(s, t[kDQkv], -1);
  LinearBackward(tokens(kDQkv, s.qkv_width()), tokens(kNormed1, s.hidden), t[kQkvWeight], t[kDx], t[kDQkvWeight]);
  cpu::NormBackward(t[kDx], t[kX], t[kNorm1], t[kDx], t[kDNorm1], s.tokens, s.hidden);
  cpu::Add(t[kDx], t[kDMiddle], t[kDx], s.tokens * s.hidden);
}

}  // namespace

CpuOperation LayerOperation(const CostRow& row) {
  const LayerSizes sizes(row);
  const auto forward = [sizes](const TensorPointers& t) { Forward(sizes, t); };
  if (row.direction == "forward") return {ForwardTensors(sizes, Fill::kOutput), forward, {}};
  const auto backward = [sizes](const TensorPointers& t) {
    FfnBackward(sizes, t);
    AttentionHalfBackward(sizes, t);
  };
  return {BackwardTensors(sizes), backward, forward};
}

}  // namespace dflop
