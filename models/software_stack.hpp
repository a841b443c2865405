// How the model is trained: everything that is neither architecture nor machine nor policy.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "base/units.hpp"

namespace dflop {

enum class Precision { kBf16, kFp16 };
enum class Recompute { kNone, kSelective, kFull };
enum class AttentionKind { kFlash, kUnfused };
enum class Packing { kPacked, kPadded };

/// Which state the ranks that hold copies of the same layers divide among themselves (ZeRO, arXiv 1910.02054, section
/// 5): the optimizer's, the gradients too, the parameters too (PyTorch's FSDP, arXiv 2304.11277).
enum class Sharding { kNone, kOptimizer, kGradients, kParameters };

/// How the ranks of a context-parallel group attend to the whole of sequences of which each holds a part.
enum class ContextParallel {
  kZigzag,  ///< keys and values travel round a ring; rank i holds the chunks i and 2·cp − 1 − i, so all work alike
  kRing,    ///< the same with one chunk each: the last rank's causal attention is the longest
  kUlysses,  ///< an all-to-all before and behind attention, which sees whole sequences and heads ÷ cp
};

/// Which fused attention the stack runs. Kernels of different generations differ by a factor on the same shape.
enum class AttentionKernel {
  kTable,   ///< the one that the GPU's table was measured with
  kFlash1,  ///< FlashAttention of 2022 (arXiv 2205.14135)
  kTriton,  ///< FlashAttention as written in Triton in 2022-23
  kFlash2,  ///< arXiv 2307.08691
  kFlash3,  ///< arXiv 2407.08608
  kCudnn,   ///< cuDNN 9, as Transformer Engine runs it
};

/// How the host gives kernels to the device.
enum class Launch {
  kEager,     ///< one by one, ahead of the device
  kCompiled,  ///< elementwise kernels fused: half as many
  kGraphs,    ///< recorded once and launched as a whole: none
  kBlocking,  ///< each waits for the one before it to end (CUDA_LAUNCH_BLOCKING): nothing of it is hidden
};

struct SoftwareStack {
  std::string preset{};  ///< where the words come from that a scenario does not say itself; empty: the defaults
  Precision precision = Precision::kBf16;
  Recompute recompute = Recompute::kNone;
  AttentionKind attention = AttentionKind::kFlash;
  Packing packing = Packing::kPacked;
  Seconds host_per_kernel{0};  ///< launch time of an eager framework; 0 = hidden. An operation lasts max(device, host).
  double bytes_per_parameter = 18;  ///< weights 2 + gradients 4 + the rest optimizer state, by default 12
  double gradient_bytes = 4;        ///< per parameter, what the data-parallel reduction moves and memory holds
  /// `distributed_optimizer: true` in files is kOptimizer, Megatron-LM's name for it.
  Sharding sharding = Sharding::kNone;
  /// Reduce gradients in buckets beside the last backward of each stage, as soon as it has made them. Megatron-LM's
  /// `overlap-grad-reduce`, by default off; always on in PyTorch's DDP.
  bool overlap_gradients = false;
  /// Of gradients; the last bucket gets the rest. As read, by default those of 40 M parameters, Megatron-LM's least;
  /// PyTorch's DDP has 25e6.
  double bucket_bytes = 160e6;
  /// With a distributed optimizer: gather the weights beside the first forward of the next step. Megatron-LM's
  /// `overlap-param-gather`, by default off.
  bool overlap_parameters = false;
  /// A message between stages waits for both ends, and neither computes while it lasts, as Megatron-LM's pipeline
  /// without `overlap-p2p-communication` and PyTorch's `batch_isend_irecv` that is waited for; otherwise messages run
  /// beside computation.
  bool blocking_sends = false;
  bool scatter_transfers = true;   ///< stage-to-stage activations divided over the tensor-parallel ranks
  int vocabulary_multiple = 128;   ///< the vocabulary is padded to a multiple of this × TP, as Megatron-LM does
  double dropout = 0;              ///< > 0: dropout masks are kept and passed through memory (2021-era GPT stacks)
  double workspace_bytes = 1.5e9;  ///< CUDA context, NCCL and cuBLAS workspace per GPU
  double fragmentation = 0.05;     ///< allowance on activations
  std::optional<Sharding> encoder_sharding{};  ///< none: as the LLM
  int shard_group = 0;  ///< ranks that divide the state, neighbours among the copies; the groups hold copies. 0: all
  bool reshard_after_forward = true;  ///< of parameters: gathered again for the backward, otherwise kept until then
  int prefetch = 1;                   ///< units whose parameters are gathered while one before them computes
  int wrapped_layers = 1;             ///< of a unit that is gathered as one
  /// Gradients are reduced after every microbatch, not once a step; none: where they are divided, as in PyTorch's FSDP
  /// without no_sync and in DeepSpeed.
  std::optional<bool> reduce_every_microbatch{};
  ContextParallel context_parallel = ContextParallel::kZigzag;
  AttentionKernel attention_kernel = AttentionKernel::kTable;
  /// Kernels at the clock that the GPU's power limit sustains, not at that of the bursts in which tables are measured.
  bool sustained_clocks = false;
  Launch launch = Launch::kEager;
  /// GEMMs run chunk by chunk beside the tensor-parallel collective before or behind them (Transformer Engine's user
  /// buffers): what is left to see is the first chunk, or what lasts longer than the GEMMs.
  bool overlap_tensor_parallel = false;
  bool fused_optimizer = true;   ///< one pass over all state; otherwise one kernel for each step of Adam's formula
  bool clip_gradients = false;   ///< their norm is taken: one more pass over the gradients before the optimizer's
  double recompute_share = 1;    ///< of the layers, under Recompute::kFull
  bool fused_activation = true;  ///< of a gated FFN, its product and its gate in one pass each way
  /// Norms and rotary embedding are one kernel each; otherwise operator by operator in fp32, as eager PyTorch modules.
  bool fused_norms = true;
  /// Weight gradients are added to those of earlier microbatches by the GEMM; otherwise in a pass of their own.
  bool fused_accumulation = true;

  Sharding sharding_of(bool llm) const { return llm ? sharding : encoder_sharding.value_or(sharding); }
  /// Of any module.
  bool shards() const { return sharding_of(true) != Sharding::kNone || sharding_of(false) != Sharding::kNone; }
  bool gathers_parameters() const {
    return sharding_of(true) == Sharding::kParameters || sharding_of(false) == Sharding::kParameters;
  }
  /// Replicas meet within the step, not at its end alone.
  bool couples_microbatches() const {
    return gathers_parameters() || reduces_every_microbatch(true) || reduces_every_microbatch(false);
  }
  bool reduces_every_microbatch(bool llm) const {
    return reduce_every_microbatch.value_or(sharding_of(llm) >= Sharding::kGradients);
  }
};

std::string NameOf(AttentionKernel kernel);

/// Reads precision, recompute, attention, packing and `software` from a scenario object (other keys are its owner's).
SoftwareStack ReadSoftwareStack(const JsonReader& scenario);
Json ToJson(const SoftwareStack& software);

}  // namespace dflop
