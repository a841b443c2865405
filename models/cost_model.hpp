// Time, FLOPs, bytes and memory of one pipeline stage on one microbatch: the checklist of the costs of a training step.
//
// Everything is per tensor-parallel rank, and all ranks of a group are alike.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/units.hpp"
#include "models/cluster_spec.hpp"
#include "models/kernel_costs.hpp"
#include "models/layer_variants.hpp"
#include "models/model_spec.hpp"
#include "models/sample_shape.hpp"
#include "models/software_stack.hpp"

namespace dflop {

/// The sequences of one microbatch in one module: tiles for an encoder, samples for the LLM. In a padded batch every
/// length is the longest one; `useful_tokens` then counts the rest out.
struct SequenceBatch {
  struct Group {
    double length = 0;
    double count = 0;  ///< may be fractional where tiles are split over encoder replicas on average
    /// Tokens before these in their own sequence, which another operation runs and these attend to (Seq1F1B); causal.
    double context = 0;
    /// Encoders' tokens that cross-attention layers see of the sequence; not among its length.
    double media = 0;
    bool operator==(const Group&) const = default;
  };
  std::vector<Group> groups;
  double tokens = 0;         ///< Σ length·count
  double useful_tokens = 0;  ///< without padding
  /// Σ ((context + length)² − context²)·count without padding: what attention's FLOPs grow with.
  double useful_squares = 0;
  /// What `groups` were before they were padded; empty where nothing was.
  std::vector<Group> unpadded{};
  /// Of a microbatch with a degree of its own: ranks that each sequence is divided over. The mesh's cp / context_ranks
  /// sets of ranks then run different sequences (models/context_parallel.hpp). 0: the mesh's cp.
  int context_ranks = 0;

  void Add(double length, double count, double context = 0, double media = 0);
  /// Of all sequences, padding included.
  double media_tokens() const;
  bool empty() const { return tokens <= 0; }
  bool operator==(const SequenceBatch&) const = default;
};

/// Tiles → encoder batch. Tiles are whole.
SequenceBatch EncoderBatch(const EncoderSpec& encoder, double tiles);
/// A sample in the LLM.
struct LlmSequence {
  double tokens = 0;
  double media = 0;  ///< SampleShape::media_tokens
};
inline LlmSequence SequenceOf(const SampleShape& sample) {
  return {static_cast<double>(sample.llm_tokens), static_cast<double>(sample.media_tokens)};
}
/// Samples → LLM batch: packed (one sequence per sample, attention Σ s²) or padded to the longest, and what
/// cross-attention sees to the most that a sample has of it.
SequenceBatch LlmBatch(std::span<const LlmSequence> samples, Packing packing);
/// Without cross-attention.
SequenceBatch LlmBatch(const std::vector<int>& sample_tokens, Packing packing);
/// The same cut into `splits` parts of equally many tokens (Seq1F1B, arXiv 2406.03488): a pack end to end, so that most
/// samples fall into one part; of a padded batch every row.
std::vector<SequenceBatch> LlmBatchInSplits(const std::vector<int>& sample_tokens, Packing packing, int splits);

/// How the ranks of a device group divide a part among themselves. Ranks of a tensor-parallel group are adjacent.
struct Mesh {
  int tp = 1;  ///< tensor parallel: every layer's heads and widths
  int cp = 1;  ///< context parallel: the tokens of every sequence, evenly
  /// Encoders only: tensor-parallel groups inside one device group, which divide each microbatch's tiles among
  /// themselves as evenly as whole tiles allow, and gather the projected tiles at the end.
  int data_split = 1;
  bool sequence_parallel = false;  ///< norms and residuals divide the tokens over tp (arXiv 2205.05198, section 4.2)
  /// Experts fold over the ranks of all replicas and do not make the group larger.
  int ep = 1;   ///< expert parallel
  int etp = 1;  ///< tensor parallel inside an expert

  int ranks() const { return tp * cp * data_split; }
  /// Ranks that hold the same weights, of one device group.
  int copies() const { return cp * data_split; }
  auto operator<=>(const Mesh&) const = default;
};

/// Which part of a module a stage holds, and how it is divided.
struct ModulePart {
  int module = 0;
  int first_layer = 0;
  int layers = 0;
  bool has_input = false;   ///< patch or token embedding
  bool has_output = false;  ///< projector, or final norm + head + loss
  Mesh mesh{};
};

/// "" unless context parallelism divides sequences of which cross-attention layers see encoders' tokens: each rank
/// would need all keys and values of these, and nothing prices how it gets them. Otherwise what is wrong and what
/// works.
std::string WhyCrossContext(const ModelSpec& model, int module, int cp);

/// Ranks that hold the same experts where `replicas` hold the same dense weights: experts fold over all their ranks
/// (arXiv 2504.14960). Not whole where the mesh does not fit (WhyExpertMesh, models/expert_mesh.hpp).
inline double ExpertReplicas(const Mesh& mesh, int replicas) {
  return static_cast<double>(mesh.tp) * replicas / (static_cast<double>(mesh.ep) * mesh.etp);
}

/// What the busiest ranks of a part run of a microbatch; the whole where nothing is divided.
SequenceBatch BusiestShare(const ModelSpec& model, const SoftwareStack& software, const ModulePart& part,
                           const SequenceBatch& batch);
/// What the ranks hold that have most tokens: others than the busiest where microbatches have degrees of their own.
SequenceBatch FullestShare(const ModelSpec& model, const SoftwareStack& software, const ModulePart& part,
                           const SequenceBatch& batch);
/// As the part's ranks divide this microbatch among themselves.
ModulePart DividedFor(ModulePart part, const SequenceBatch& batch);

/// One operation's time, with the shares that a result reports.
struct OperationCost {
  Seconds time{0};
  Seconds tensor_parallel_communication{0};   ///< part of time
  Seconds context_parallel_communication{0};  ///< part of time, in which nothing computes
  Seconds expert_communication{0};            ///< part of time: tokens on their way to experts and back
  Seconds extrapolated{0};                    ///< part of time whose kernels lay outside what was measured

  OperationCost& operator+=(const OperationCost& other);
};

/// One layer of one variant on one microbatch; what is frozen or has no gradient to pass on costs nothing.
struct VariantCost {
  OperationCost forward;
  OperationCost input_gradient;
  OperationCost recomputed;  ///< of the forward, in the backward
  OperationCost weight_gradient;
};

/// One layer of every variant that a module has, by variant (models/layer_variants.hpp); empty where it runs nothing.
struct LayerCost {
  std::vector<VariantCost> variants{};
};

struct PartCost {
  OperationCost forward;
  OperationCost backward;         ///< input gradient, and the recomputed forward where recompute asks for it
  OperationCost weight_gradient;  ///< zero when frozen
  /// Model FLOPs of the *whole* part (all ranks), forward + backward, no recompute, causal attention counted half,
  /// padding not counted (it is no work done).
  Flops model_flops{0};
  /// What the paper measures: the same with the recomputed forward.
  Flops hardware_flops{0};
};

/// Parameters, those of routed experts apart: other ranks hold and reduce them (Mesh::ep, Mesh::etp).
struct ParameterCount {
  double dense = 0;
  double dense_trainable = 0;
  double experts = 0;
  double experts_trainable = 0;

  double total() const { return dense + experts; }
  double trainable() const { return dense_trainable + experts_trainable; }
};

/// Memory of one rank that does not depend on the microbatch.
struct StateMemory {
  Bytes weights{0};
  Bytes gradients{0};
  Bytes optimizer{0};
  Bytes buffers{0};  ///< whole weights and gradients of the units that are at work, where each rank keeps a share
};

class CostModel {
 public:
  /// What kernels cost on each kind of the cluster's nodes, in their order.
  CostModel(ModelSpec model, ClusterSpec cluster, std::vector<std::shared_ptr<const KernelCosts>> kernels,
            SoftwareStack software);
  /// The same of a cluster with one kind.
  CostModel(ModelSpec model, ClusterSpec cluster, std::shared_ptr<const KernelCosts> kernels, SoftwareStack software);

  const ModelSpec& model() const { return model_; }
  const ClusterSpec& cluster() const { return cluster_; }
  const SoftwareStack& software() const { return software_; }
  const KernelCosts& kernels(KindId kind = kFirstKind) const { return *kernels_[static_cast<std::size_t>(kind)]; }
  /// The same job trained another way.
  CostModel With(SoftwareStack software) const { return {model_, cluster_, kernels_, std::move(software)}; }

  /// Time of a part on a microbatch (of its busiest ranks where they divide it), FLOPs of all. `kind` is that of the
  /// nodes the part lies on, here and below; all ranks of a part lie inside one node.
  PartCost Part(const ModulePart& part, const SequenceBatch& batch, KindId kind = kFirstKind) const {
    return Part(part, batch, Layer(part, batch, kind), kind);
  }
  /// Layers that the part runs, by variant: those it holds, and those of multi-token prediction at its output.
  LayerCounts Layers(const ModulePart& part) const;
  /// One layer of every variant of the part's module. Parts of one module that differ in nothing but their layers and
  /// ends share it on nodes of one kind; what else their costs depend on is Layers(part) and the ends.
  LayerCost Layer(const ModulePart& part, const SequenceBatch& batch, KindId kind = kFirstKind) const;
  PartCost Part(const ModulePart& part, const SequenceBatch& batch, const LayerCost& layer,
                KindId kind = kFirstKind) const;
  /// False for a part that has nothing to do in the backward: it is frozen and nothing before it trains. The last part
  /// of a frozen encoder does have something to do where its projector trains, though its layers do not.
  bool NeedsBackward(const ModulePart& part) const;

  /// Parameters of the part, over all its tensor- and expert-parallel ranks, the padding of the vocabulary included.
  double Parameters(const ModulePart& part) const;
  double TrainableParameters(const ModulePart& part) const;
  ParameterCount CountParameters(const ModulePart& part) const;
  /// Those that one rank holds: dense ones divided by mesh.tp, experts by mesh.ep · mesh.etp.
  ParameterCount CountParametersOnRank(const ModulePart& part) const;

  /// `copies`: ranks that hold the same dense layers, which divide among themselves what software.sharding says; those
  /// of experts are held by ExpertReplicas(part.mesh, copies).
  StateMemory State(const ModulePart& part, int copies) const;
  /// Activations of one microbatch that wait for its backward, one rank (arXiv 2205.05198, section 4; with flash
  /// attention the 5·a·s²·b term goes). Without the allowances of SoftwareStack (workspace, fragmentation).
  Bytes Activations(const ModulePart& part, const SequenceBatch& batch) const;
  /// Transient peak beside those of the microbatch at work: one layer being recomputed, logits of the last stage.
  Bytes Transient(const ModulePart& part, const SequenceBatch& batch) const;

  /// Bytes of what passes between two stages of a module, whole (not divided by tensor parallelism): hidden states
  /// before layer `next`, with them outputs of earlier layers that an encoder's end joins, and the encoders' tokens
  /// where this layer or a later one is a cross-attention layer.
  Bytes BoundaryBytes(int module, const SequenceBatch& batch, int next = 0) const;
  /// Of their gradients: none of the encoders' tokens where nothing before the LLM wants them.
  Bytes BoundaryGradientBytes(int module, const SequenceBatch& batch, int next = 0) const;
  /// Bytes of an encoder's projected output for so many tiles (before pooling), whole.
  Bytes ProjectedBytes(int encoder, double tiles) const;

  /// Optimizer step of a part: state over memory bandwidth.
  Seconds OptimizerStep(const ModulePart& part, int copies, KindId kind = kFirstKind) const;
  /// Bytes of weights on one rank that shares them with no copy.
  Bytes WeightBytes(const ModulePart& part) const;
  Bytes ExpertWeightBytes(const ModulePart& part) const;
  /// Bytes of gradients that one rank reduces over its replicas, those of experts included.
  Bytes GradientBytes(const ModulePart& part) const;
  /// Those of experts, which it reduces over the ranks that hold the same ones.
  Bytes ExpertGradientBytes(const ModulePart& part) const;
  /// Bytes of gradients that one rank of the LLM's first and last stage add up, where both hold the embedding: the tied
  /// head is a copy of it on another stage, and multi-token prediction looks tokens up there. Zero when nothing is
  /// tied, or frozen.
  Bytes TiedGradientBytes(const ModulePart& part) const;

 private:
  /// Most of what is whole at a time of a part whose `weights` are gathered unit by unit.
  Bytes GatheredBytes(const ModulePart& part, Bytes weights) const;
  Bytes LargestUnitGradients(const ModulePart& part) const;

  ModelSpec model_;
  ClusterSpec cluster_;
  std::vector<std::shared_ptr<const KernelCosts>> kernels_;  ///< [kind]
  SoftwareStack software_;
};

}  // namespace dflop
