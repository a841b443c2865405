// How the model is trained: everything that is neither architecture nor machine nor policy.
#pragma once

#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "base/units.hpp"

namespace dflop {

enum class Precision { kBf16, kFp16 };
enum class Recompute { kNone, kSelective, kFull };
enum class AttentionKind { kFlash, kUnfused };
enum class Packing { kPacked, kPadded };

struct SoftwareStack {
  Precision precision = Precision::kBf16;
  Recompute recompute = Recompute::kNone;
  AttentionKind attention = AttentionKind::kFlash;
  Packing packing = Packing::kPacked;
  Seconds host_per_kernel{0};  ///< launch time of an eager framework; 0 = hidden. An operation lasts max(device, host).
  double bytes_per_parameter = 18;     ///< weights 2 + gradients 4 + the rest optimizer state, by default 12
  double gradient_bytes = 4;           ///< per parameter, what the data-parallel reduction moves and memory holds
  bool distributed_optimizer = false;  ///< optimizer state ÷ replicas; reduce-scatter + all-gather
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
};

/// Reads precision, recompute, attention, packing and `software` from a scenario object (other keys are its owner's).
SoftwareStack ReadSoftwareStack(const JsonReader& scenario);
Json ToJson(const SoftwareStack& software);

}  // namespace dflop
