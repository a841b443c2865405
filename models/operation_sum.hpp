// Adds up what one operation (a layer's forward, say) runs on one tensor-parallel rank: kernels and collectives.
#pragma once

#include <algorithm>

#include "base/error.hpp"
#include "models/context_parallel.hpp"
#include "models/cost_model.hpp"
#include "models/network/node_collectives.hpp"
#include "models/network/span_collectives.hpp"

namespace dflop {

/// Weights and activations are bf16 or fp16.
inline constexpr double kElementBytes = 2;

/// Where an operation runs: everything about it but its shapes.
struct Place {
  const KernelCosts& kernels;
  const NodeSpec& node;
  const SoftwareStack& software;
  int ranks;               ///< tensor parallel
  bool sequence_parallel;  ///< norms and residuals see 1/ranks of the tokens (arXiv 2205.05198, section 4.2)
  int cp;                  ///< context parallel

  int ep;   ///< ranks that experts are divided over
  int etp;  ///< and each of them

  Place(const KernelCosts& costs, const NodeSpec& at, const SoftwareStack& stack, const Mesh& mesh)
      : kernels(costs),
        node(at),
        software(stack),
        ranks(mesh.tp),
        sequence_parallel(mesh.sequence_parallel),
        cp(mesh.cp),
        ep(mesh.ep),
        etp(mesh.etp) {}
  double token_share() const { return sequence_parallel ? 1.0 / ranks : 1.0; }
  /// Of the ranks of its context-parallel group, each with its tensor-parallel ones beside it.
  Span context() const { return SpanOf(node, cp, ranks); }
};

class OperationSum {
 public:
  explicit OperationSum(const Place& place) : place_(place) {}

  void Gemm(double m, double n, double k, Pass pass, double times = 1) {
    Add(place_.kernels.Gemm(m, n, k, pass), times);
  }
  /// Of a layer's linear map, which 8- and 4-bit formats multiply: along the dimension that is summed over a value
  /// takes a half or a quarter of 16 bits, of a cycle as of memory, so the kernel is the 16-bit one that sums over as
  /// much less.
  void Linear(double m, double n, double k, Pass pass, double times = 1) {
    double& summed = pass == Pass::kForward ? k : pass == Pass::kInputGradient ? n : m;
    summed /= place_.software.packed_values();
    const KernelCost cost = place_.kernels.Gemm(m, n, k, pass);
    linear_maps_ += cost.time * times;
    Add(cost, times);
  }
  void Attention(const AttentionShape& shape, Pass pass, double times) {
    Add(place_.kernels.Attention(shape, pass), times);
  }
  /// Memory-bound passes over so many bytes; priced together at the end.
  void Move(double bytes) { moved_bytes_ += bytes; }
  /// All-reduce over the tensor-parallel ranks; with sequence parallelism its two halves, one before and one behind.
  void AllReduce(double bytes) { AllReduce(bytes, bytes); }
  /// The same where the half that gathers moves another tensor; without sequence parallelism nothing is gathered.
  void AllReduce(double bytes, double gathered) {
    if (place_.sequence_parallel) {
      communication_ += IntraNodeReduceScatter(place_.node, place_.ranks, Bytes(bytes)) +
                        IntraNodeAllGather(place_.node, place_.ranks, Bytes(gathered));
    } else {
      communication_ += IntraNodeAllReduce(place_.node, place_.ranks, Bytes(bytes));
    }
  }
  /// Every tensor-parallel rank gets what each has 1/ranks of.
  void AllGather(double bytes) { communication_ += IntraNodeAllGather(place_.node, place_.ranks, Bytes(bytes)); }
  /// Tokens travel to experts or back.
  void Exchange(Seconds time) { expert_communication_ += time; }

  /// An all-to-all over the context-parallel ranks.
  void ContextExchange(Bytes bytes) {
    context_ += SpanCollective(place_.node, CollectiveOp::kAllToAll, place_.context(), bytes).time;
  }
  /// Every context-parallel rank sends to the next one.
  void ContextHop(Bytes bytes) { context_ += SpanHop(place_.node, place_.cp, place_.ranks, bytes); }
  /// A block of attention for each context-parallel rank, `first` and then `next` again and again, while `hop` bytes
  /// come from the rank before; behind the last one `home` bytes more.
  void Ring(const OperationSum& first, const OperationSum& next, Bytes hop, Bytes home) {
    const Seconds own = first.Device(), other = next.Device();
    const Seconds computed = own + other * (place_.cp - 1);
    Seconds time = RingTime(own, other, SpanHop(place_.node, place_.cp, place_.ranks, hop), place_.cp);
    if (home > Bytes(0)) time += SpanHop(place_.node, place_.cp, place_.ranks, home);
    device_ += computed;
    context_ += time - computed;
    extrapolated_ += first.extrapolated_ + next.extrapolated_ * (place_.cp - 1);
  }

  /// The operation lasts as long as the device or the host that launches its kernels, whichever takes longer; where
  /// launches block, as long as both.
  OperationCost Finish(int host_kernels) const {
    OperationSum whole = *this;
    if (moved_bytes_ > 0) whole.Add(place_.kernels.MemoryBound(Bytes(moved_bytes_)), 1);
    const Seconds exposed = ExposedCommunication();
    const Seconds device = whole.device_ + exposed + context_ + expert_communication_;
    OperationCost cost;
    const Seconds host = place_.software.host_per_kernel * (host_kernels * LaunchedShare());
    cost.time = place_.software.launch == Launch::kBlocking ? device + host : std::max(device, host);
    cost.tensor_parallel_communication = exposed;
    cost.context_parallel_communication = context_;
    cost.extrapolated = whole.extrapolated_;
    cost.expert_communication = expert_communication_;
    return cost;
  }

 private:
  /// Of kernels that an eager framework launches. Of a layer's two dozen, a compiler leaves GEMMs, attention and one
  /// kernel between each two of them.
  double LaunchedShare() const {
    constexpr double kCompiled = 0.5;
    switch (place_.software.launch) {
      case Launch::kEager:
      case Launch::kBlocking:
        return 1;
      case Launch::kCompiled:
        return kCompiled;
      case Launch::kGraphs:
        return 0;
    }
    CheckFailed("known launch", __FILE__, __LINE__, "every way to launch is handled");
  }
  /// A linear map in as many chunks as there are ranks runs beside the others' collectives. Other GEMMs (scores of
  /// unfused attention, adapters, the LM head) lie beside none.
  Seconds ExposedCommunication() const {
    if (!place_.software.overlap_tensor_parallel || place_.ranks == 1) return communication_;
    return std::max(communication_ * (1.0 / place_.ranks), communication_ - linear_maps_ * (1 - 1.0 / place_.ranks));
  }
  Seconds Device() const {
    return moved_bytes_ > 0 ? device_ + place_.kernels.MemoryBound(Bytes(moved_bytes_)).time : device_;
  }
  void Add(const KernelCost& cost, double times) {
    device_ += cost.time * times;
    if (cost.extrapolated) extrapolated_ += cost.time * times;
  }

  const Place& place_;
  Seconds device_{0};
  Seconds linear_maps_{0};  ///< part of device_
  Seconds extrapolated_{0};
  Seconds communication_{0};
  Seconds context_{0};
  Seconds expert_communication_{0};
  double moved_bytes_ = 0;
};

}  // namespace dflop
