// Attention over a pack: the kernels of attention.hpp, one sequence after the other, as they run through the sequences
// of a batch. On one core nothing is gained or lost by their unequal lengths but what each length costs by itself.
#include <numeric>

#include "real_runner/backend.hpp"
#include "real_runner/cpu/attention.hpp"
#include "real_runner/cpu/cpu_operation.hpp"

namespace dflop {
namespace {

struct Pack {
  explicit Pack(const CostRow& row)
      : lengths(row.lengths),
        tokens(std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0})),
        heads(static_cast<std::int64_t>(row.dimension("heads"))),
        kv_heads(static_cast<std::int64_t>(row.dimension("kv_heads"))),
        head_dim(static_cast<std::int64_t>(row.dimension("head_dim"))) {
    if (heads % kv_heads != 0) throw Unsupported("heads must be a multiple of kv_heads");
  }

  std::int64_t width() const { return heads * head_dim; }
  std::int64_t kv_width() const { return kv_heads * head_dim; }

  /// Where the sequence that begins with `token` lies in q, k and v (or their gradients).
  cpu::AttentionInputs At(std::int64_t token, float* q, float* k, float* v) const {
    return {q + token * width(), k + token * kv_width(), v + token * kv_width(), width(), kv_width()};
  }

  /// body(sizes of one sequence, its first token).
  template <typename Body>
  void Each(const Body& body) const {
    std::int64_t token = 0;
    for (const std::int64_t length : lengths) {
      body(cpu::AttentionSizes{1, length, heads, kv_heads, head_dim, true}, token);
      token += length;
    }
  }

  std::vector<std::int64_t> lengths;
  std::int64_t tokens, heads, kv_heads, head_dim;
};

void Forward(const Pack& pack, float* q, float* k, float* v, float* o, float* lse) {
  pack.Each([&](const cpu::AttentionSizes& sizes, std::int64_t token) {
    cpu::AttentionForward(sizes, pack.At(token, q, k, v), o + token * pack.width(), lse + token * pack.heads);
  });
}

/// Tensors in the order of PackedAttentionOperation's backward.
void Backward(const Pack& pack, const TensorPointers& t) {
  pack.Each([&](const cpu::AttentionSizes& sizes, std::int64_t token) {
    cpu::AttentionBackward(sizes, pack.At(token, t[0], t[1], t[2]), t[7] + token * pack.width(),
                           t[8] + token * pack.heads, t[3] + token * pack.width(), pack.At(token, t[4], t[5], t[6]));
  });
}

}  // namespace

CpuOperation PackedAttentionOperation(const CostRow& row) {
  const Pack pack(row);
  const std::vector<std::int64_t> queries = {pack.tokens, pack.heads, pack.head_dim};
  const std::vector<std::int64_t> keys = {pack.tokens, pack.kv_heads, pack.head_dim};
  const CpuTensor lse{"lse", {pack.tokens, pack.heads}, Fill::kWorkspace};
  if (row.direction == "forward") {
    return {{{"q", queries}, {"k", keys}, {"v", keys}, {"o", queries, Fill::kOutput}, lse},
            [pack](const TensorPointers& t) { Forward(pack, t[0], t[1], t[2], t[3], t[4]); },
            {}};
  }
  return {{{"q", queries},
           {"k", keys},
           {"v", keys},
           {"do", queries},
           {"dq", queries, Fill::kOutput},
           {"dk", keys, Fill::kOutput},
           {"dv", keys, Fill::kOutput},
           {"o", queries, Fill::kWorkspace},
           lse},
          [pack](const TensorPointers& t) { Backward(pack, t); },
          [pack](const TensorPointers& t) { Forward(pack, t[0], t[1], t[2], t[7], t[8]); }};
}

}  // namespace dflop
