// Neighbours of one length run as one batch, each over its own rows of the pack.
#include "real_runner/cpu/packed_attention.hpp"

#include "real_runner/cpu/cpu_operation.hpp"
#include "real_runner/kernels/backend.hpp"

namespace dflop {
namespace cpu {
namespace {

AttentionInputs From(const AttentionInputs& in, std::int64_t token) {
  return {in.q + token * in.q_stride, in.k + token * in.kv_stride, in.v + token * in.kv_stride, in.q_stride,
          in.kv_stride};
}

/// body(sizes, first token) for every run of sequences of one length.
template <typename Body>
void EachRun(const Pack& pack, const AttentionHeads& heads, const Body& body) {
  std::int64_t token = 0;
  for (std::size_t i = 0; i < pack.lengths.size();) {
    const std::int64_t length = pack.lengths[i];
    std::int64_t count = 0;
    for (; i < pack.lengths.size() && pack.lengths[i] == length; ++i) ++count;
    body(AttentionSizes{count, length, heads.heads, heads.kv_heads, heads.head_dim, heads.causal}, token);
    token += count * length;
  }
}

}  // namespace

void PackForward(const Pack& pack, const AttentionHeads& heads, const AttentionInputs& in, float* o, float* lse) {
  EachRun(pack, heads, [&](const AttentionSizes& sizes, std::int64_t token) {
    AttentionForward(sizes, From(in, token), o + token * heads.heads * heads.head_dim, lse + token * heads.heads);
  });
}

void PackBackward(const Pack& pack, const AttentionHeads& heads, const AttentionInputs& in, float* o, float* lse,
                  float* d_o, const AttentionInputs& gradients) {
  const std::int64_t width = heads.heads * heads.head_dim;
  EachRun(pack, heads, [&](const AttentionSizes& sizes, std::int64_t token) {
    AttentionBackward(sizes, From(in, token), o + token * width, lse + token * heads.heads, d_o + token * width,
                      From(gradients, token));
  });
}

}  // namespace cpu

CpuOperation PackedAttentionOperation(const CostRow& row) {
  const auto size = [&](const char* dimension) { return static_cast<std::int64_t>(row.dimension(dimension)); };
  const cpu::Pack pack(row.lengths);
  const cpu::AttentionHeads heads{size("heads"), size("kv_heads"), size("head_dim"), true};
  if (heads.heads % heads.kv_heads != 0) throw Unsupported("heads must be a multiple of kv_heads");
  const std::vector<std::int64_t> queries = {pack.tokens, heads.heads, heads.head_dim};
  const std::vector<std::int64_t> keys = {pack.tokens, heads.kv_heads, heads.head_dim};
  const CpuTensor lse{"lse", {pack.tokens, heads.heads}, Fill::kWorkspace};
  const auto inputs = [heads](float* q, float* k, float* v) {
    return cpu::AttentionInputs{q, k, v, heads.heads * heads.head_dim, heads.kv_heads * heads.head_dim};
  };
  const auto forward = [=](const TensorPointers& t, float* o, float* sums) {
    cpu::PackForward(pack, heads, inputs(t[0], t[1], t[2]), o, sums);
  };
  if (row.direction == "forward") {
    return {{{"q", queries}, {"k", keys}, {"v", keys}, {"o", queries, Fill::kOutput}, lse},
            [=](const TensorPointers& t) { forward(t, t[3], t[4]); },
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
          [=](const TensorPointers& t) {
            cpu::PackBackward(pack, heads, inputs(t[0], t[1], t[2]), t[7], t[8], t[3], inputs(t[4], t[5], t[6]));
          },
          [=](const TensorPointers& t) { forward(t, t[7], t[8]); }};
}

}  // namespace dflop
