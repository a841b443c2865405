// What training's kernels keep: plans of matrix products by shape, attention by pack.
#include <algorithm>
#include <cstdint>

#include "real_runner/cuda/training_kernels.hpp"

namespace dflop::cuda {
namespace {

bool AllEqual(const std::vector<std::int64_t>& lengths) {
  return std::all_of(lengths.begin(), lengths.end(), [&](std::int64_t length) { return length == lengths.front(); });
}

/// Sequences of one length are a batch, which more kernels can.
AttentionShape ShapeOf(const training::LayerShape& s, const training::Pack& pack) {
  AttentionShape shape{.batch = static_cast<std::int64_t>(pack.lengths.size()),
                       .seq = *std::max_element(pack.lengths.begin(), pack.lengths.end()),
                       .heads = s.heads,
                       .kv_heads = s.kv_heads,
                       .dim = s.head_dim(),
                       .causal = s.causal,
                       .q_stride = s.qkv_width(),
                       .kv_stride = s.qkv_width()};
  if (!AllEqual(pack.lengths)) shape.lengths = pack.lengths;
  return shape;
}

DeviceBuffer Positions(const training::Pack& pack, cudaStream_t stream) {
  std::vector<std::int32_t> positions;
  for (const std::int64_t length : pack.lengths) {
    for (std::int64_t t = 0; t < length; ++t) positions.push_back(static_cast<std::int32_t>(t));
  }
  const std::size_t bytes = positions.size() * sizeof positions[0];
  DeviceBuffer buffer(static_cast<std::int64_t>(bytes));
  DFLOP_CUDA_CHECK(cudaMemcpyAsync(buffer.data(), positions.data(), bytes, cudaMemcpyHostToDevice, stream));
  return buffer;
}

}  // namespace

Matmul& KernelCache::Product(MatmulShape shape, std::uint32_t alignment) {
  shape.alignment_bytes = alignment;
  std::unique_ptr<Matmul>& product =
      products_[{shape.m, shape.n, shape.k, shape.transpose_a, shape.transpose_b, shape.float_c, alignment}];
  if (product == nullptr) {
    product = std::make_unique<Matmul>(device_, shape);
    if (tune_) Tune(*product, shape);
  }
  return *product;
}

/// On operands of its own.
void KernelCache::Tune(Matmul& product, const MatmulShape& shape) {
  const std::int64_t a = shape.m * shape.k, b = shape.n * shape.k, c = shape.m * shape.n;
  DeviceBuffer operands((a + b) * static_cast<std::int64_t>(sizeof(Bf16)));
  DeviceBuffer result(c * static_cast<std::int64_t>(sizeof(float)));
  auto* const values = static_cast<Bf16*>(operands.data());
  FillUniform(values, a + b, 1, 0, device_.NextSeed(), device_.stream());
  // B begins where the alignment that was promised allows.
  const std::int64_t line = std::max<std::int64_t>(shape.alignment_bytes / static_cast<std::int64_t>(sizeof(Bf16)), 1);
  const Bf16* const second = values + a / line * line;
  product.Tune([&](int) { return MatmulOperands{values, second, result.data()}; });
  device_.Synchronize();
}

KernelCache::PackPlan& KernelCache::PlanOf(const training::LayerShape& shape, const training::Pack& pack) {
  PackPlan& plan = packs_[{shape.heads, shape.kv_heads, shape.hidden, shape.causal, pack.lengths}];
  if (plan.attention == nullptr) {
    plan.attention = MakeAttention(device_, ShapeOf(shape, pack), true);
    if (shape.rotary()) plan.positions = Positions(pack, device_.stream());
  }
  return plan;
}

}  // namespace dflop::cuda
