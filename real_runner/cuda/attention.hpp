// Scaled dot-product attention, fused (cuDNN) or unfused (cuBLASLt and our softmax).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "real_runner/cuda/device.hpp"
#include "real_runner/cuda/kernels.hpp"

namespace dflop::cuda {

/// q and o [batch, seq, heads, dim], k and v [batch, seq, kv_heads, dim]; query head h uses key head h·kv_heads/heads.
/// Consecutive tokens of q lie `q_stride` elements apart, of k and v `kv_stride`; o and its gradient are contiguous.
/// Gradients are laid out as what they are gradients of. Scale 1/√dim.
struct AttentionShape {
  std::int64_t batch, seq, heads, kv_heads, dim;
  bool causal;
  std::int64_t q_stride, kv_stride;
  /// A pack: `batch` sequences of these lengths one after the other, without padding; `seq` is the longest. Empty: all
  /// are `seq` long.
  std::vector<std::int64_t> lengths = {};
};

struct AttentionTensors {
  const Bf16 *q, *k, *v;
  Bf16* o;
  void* state;  ///< what Backward needs of Forward: state_bytes()
  const Bf16* d_o = nullptr;
  Bf16 *dq = nullptr, *dk = nullptr, *dv = nullptr;
};

class Attention {
 public:
  virtual ~Attention() = default;
  virtual std::string name() const = 0;
  virtual std::int64_t state_bytes() const = 0;
  virtual void Forward(const AttentionTensors& tensors) = 0;
  /// After Forward on the same tensors. Only where MakeAttention was asked for it.
  virtual void Backward(const AttentionTensors& tensors) = 0;
};

/// Fused where this build and cuDNN can, otherwise unfused, and the name says why; a pack that cannot be one call is
/// one call per sequence. Unsupported when nothing fits.
std::unique_ptr<Attention> MakeAttention(Device& device, const AttentionShape& shape, bool backward);

/// nullptr and the reason in `why` where cuDNN or this build cannot.
std::unique_ptr<Attention> MakeFusedAttention(Device& device, const AttentionShape& shape, bool backward,
                                              std::string& why);
/// `why` becomes part of the name.
std::unique_ptr<Attention> MakeUnfusedAttention(Device& device, const AttentionShape& shape, bool backward,
                                                const std::string& why);

/// Each sequence of a pack by a call of its own. `why` becomes part of the name.
std::unique_ptr<Attention> MakeAttentionPerSequence(Device& device, const AttentionShape& shape, bool backward,
                                                    const std::string& why);

}  // namespace dflop::cuda
