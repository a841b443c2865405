// Attention as two batched products around a softmax, the scores [batch, heads, seq, seq] in device memory: what one
// has without fused kernels. It moves seq² values where fused attention moves seq, and computes the masked half too.
//
// A strided batch of cuBLASLt has one stride, and heads that share a key head have another than those that do not: so a
// product runs for each sequence and each place within the group of heads that share one, batched over the groups.
#include "real_runner/cuda/attention.hpp"

#include <algorithm>
#include <cmath>

#include "real_runner/cuda/matmul.hpp"

namespace dflop::cuda {
namespace {

constexpr std::int64_t kBytes = sizeof(Bf16), kFloatBytes = sizeof(float), kLineBytes = 256;

class UnfusedAttention final : public Attention {
 public:
  UnfusedAttention(Device& device, const AttentionShape& shape, bool backward, const std::string& why)
      : device_(device),
        shape_(shape),
        why_(why),
        group_(shape.heads / shape.kv_heads),
        scores_(device, Scores(shape.q_stride)),
        output_(device, Output()),
        score_gradient_(device, Scores(OutputStride())),
        value_gradient_(device, KeyGradient(OutputStride(), 1)),
        query_gradient_(device, QueryGradient()),
        key_gradient_(device, KeyGradient(shape.q_stride, Scale())) {
    if (shape.seq > kMaxSoftmaxWidth) throw Unsupported("unfused attention over more than 32,768 tokens");
    if (!backward) return;
    device.Scratch(ScratchBytes());
  }

  std::string name() const override { return "unfused (" + why_ + ")"; }
  std::int64_t state_bytes() const override { return ScoreRows() * shape_.seq * kBytes; }

  void Forward(const AttentionTensors& t) override {
    auto* const scores = static_cast<Bf16*>(t.state);
    Each([&](const Offsets& at, bool) { scores_.Launch({t.q + at.q, t.k + at.kv, scores + at.scores}); });
    SoftmaxForward(scores, scores, ScoreRows(), shape_.seq, Scale(), shape_.causal, device_.stream());
    Each([&](const Offsets& at, bool) { output_.Launch({scores + at.scores, t.v + at.kv, t.o + at.o}); });
  }

  void Backward(const AttentionTensors& t) override {
    const auto* const chances = static_cast<const Bf16*>(t.state);
    auto* const dk = static_cast<float*>(device_.Scratch(ScratchBytes()));
    float* const dv = dk + KeyGradientBytes() / kFloatBytes;
    auto* const slopes = reinterpret_cast<Bf16*>(dv + KeyGradientBytes() / kFloatBytes);
    Each([&](const Offsets& at, bool further) {
      value_gradient_.Launch({chances + at.scores, t.d_o + at.o, dv + at.gradient}, further);
      score_gradient_.Launch({t.d_o + at.o, t.v + at.kv, slopes + at.scores});
    });
    SoftmaxBackward(chances, slopes, slopes, ScoreRows(), shape_.seq, device_.stream());
    Each([&](const Offsets& at, bool further) {
      query_gradient_.Launch({slopes + at.scores, t.k + at.kv, t.dq + at.q});
      key_gradient_.Launch({slopes + at.scores, t.q + at.q, dk + at.gradient}, further);
    });
    const std::int64_t rows = shape_.batch * shape_.seq, width = shape_.kv_heads * shape_.dim;
    ToBf16(dk, t.dk, rows, width, shape_.kv_stride, device_.stream());
    ToBf16(dv, t.dv, rows, width, shape_.kv_stride, device_.stream());
  }

 private:
  /// Where a batch over the groups starts, in elements.
  struct Offsets {
    std::int64_t q, kv, o, scores, gradient;
  };

  /// body(offsets, whether an earlier call of this sequence wrote to the same key head).
  template <typename Body>
  void Each(Body&& body) const {
    for (std::int64_t sequence = 0; sequence < shape_.batch; ++sequence) {
      const std::int64_t token = sequence * shape_.seq;
      for (std::int64_t member = 0; member < group_; ++member) {
        body(Offsets{.q = token * shape_.q_stride + member * shape_.dim,
                     .kv = token * shape_.kv_stride,
                     .o = (token * shape_.heads + member) * shape_.dim,
                     .scores = (sequence * shape_.heads + member) * shape_.seq * shape_.seq,
                     .gradient = token * shape_.kv_heads * shape_.dim},
             member > 0);
      }
    }
  }

  /// Of keys or values, in whole lines.
  std::int64_t KeyGradientBytes() const {
    const std::int64_t bytes = shape_.batch * shape_.seq * shape_.kv_heads * shape_.dim * kFloatBytes;
    return (bytes + kLineBytes - 1) / kLineBytes * kLineBytes;
  }
  /// Gradients of keys, of values and of scores.
  std::int64_t ScratchBytes() const { return 2 * KeyGradientBytes() + state_bytes(); }
  std::int64_t ScoreRows() const { return shape_.batch * shape_.heads * shape_.seq; }
  float Scale() const { return static_cast<float>(1 / std::sqrt(static_cast<double>(shape_.dim))); }

  /// The largest power of two that divides every offset above, in bytes.
  std::uint32_t Alignment() const {
    const std::int64_t joined = (shape_.dim | shape_.q_stride | shape_.kv_stride | shape_.seq * shape_.seq) * kBytes;
    return static_cast<std::uint32_t>(std::min<std::int64_t>(joined & -joined, 256));
  }

  /// A shape with what all products share: one batch over the groups.
  MatmulShape Batched(MatmulShape shape) const {
    shape.batch = shape_.kv_heads;
    shape.alignment_bytes = Alignment();
    return shape;
  }

  std::int64_t ScoreStride() const { return group_ * shape_.seq * shape_.seq; }
  std::int64_t OutputStride() const { return shape_.heads * shape_.dim; }
  std::int64_t HeadStride() const { return group_ * shape_.dim; }

  /// Q·Kᵀ, and with dO for Q and V for K the probabilities' gradient.
  MatmulShape Scores(std::int64_t row_stride) const {
    return Batched({.m = shape_.seq,
                    .n = shape_.seq,
                    .k = shape_.dim,
                    .transpose_b = true,
                    .lda = row_stride,
                    .ldb = shape_.kv_stride,
                    .ldc = shape_.seq,
                    .stride_a = HeadStride(),
                    .stride_b = shape_.dim,
                    .stride_c = ScoreStride()});
  }
  MatmulShape Output() const {  // P·V
    return Batched({.m = shape_.seq,
                    .n = shape_.dim,
                    .k = shape_.seq,
                    .lda = shape_.seq,
                    .ldb = shape_.kv_stride,
                    .ldc = OutputStride(),
                    .stride_a = ScoreStride(),
                    .stride_b = shape_.dim,
                    .stride_c = HeadStride()});
  }
  MatmulShape QueryGradient() const {  // dS·K
    return Batched({.m = shape_.seq,
                    .n = shape_.dim,
                    .k = shape_.seq,
                    .lda = shape_.seq,
                    .ldb = shape_.kv_stride,
                    .ldc = shape_.q_stride,
                    .stride_a = ScoreStride(),
                    .stride_b = shape_.dim,
                    .stride_c = HeadStride(),
                    .alpha = Scale()});
  }
  MatmulShape KeyGradient(std::int64_t row_stride, float alpha) const {  // dSᵀ·Q, and Pᵀ·dO for V
    return Batched({.m = shape_.seq,
                    .n = shape_.dim,
                    .k = shape_.seq,
                    .transpose_a = true,
                    .lda = shape_.seq,
                    .ldb = row_stride,
                    .ldc = shape_.kv_heads * shape_.dim,
                    .stride_a = ScoreStride(),
                    .stride_b = HeadStride(),
                    .stride_c = shape_.dim,
                    .float_c = true,
                    .alpha = alpha});
  }

  Device& device_;
  const AttentionShape shape_;
  const std::string why_;
  const std::int64_t group_;
  Matmul scores_, output_, score_gradient_, value_gradient_, query_gradient_, key_gradient_;
};

}  // namespace

std::unique_ptr<Attention> MakeUnfusedAttention(Device& device, const AttentionShape& shape, bool backward,
                                                const std::string& why) {
  return std::make_unique<UnfusedAttention>(device, shape, backward, why);
}

std::unique_ptr<Attention> MakeAttention(Device& device, const AttentionShape& shape, bool backward) {
  if (shape.heads % shape.kv_heads != 0) throw Unsupported("key heads that do not divide the query heads");
  std::string why;
  if (auto fused = MakeFusedAttention(device, shape, backward, why)) return fused;
  if (!shape.lengths.empty()) return MakeAttentionPerSequence(device, shape, backward, why);
  return MakeUnfusedAttention(device, shape, backward, why);
}

}  // namespace dflop::cuda
