// Where every layer lives: the plan that a layout planner makes once per job.
//
// A layout is a list of stages, each some layers of one or more modules on a group of GPUs of one replica. Homogeneous,
// separate and colocated plans differ in this list only.
#pragma once

#include <string>
#include <vector>

#include "base/index.hpp"
#include "base/json_reader.hpp"
#include "models/cost_model.hpp"

namespace dflop {

/// Tensor- and context-parallel group: consecutive GPUs that act as one device of the simulation.
struct DeviceGroup {
  int first_gpu = 0;
  int size = 1;
  bool operator==(const DeviceGroup&) const = default;
};

struct Stage {
  int replica = 0;  ///< of its pipeline side (encoder replicas and LLM replicas count apart in a separate layout)
  int depth = 0;    ///< place on the way of a microbatch: 0 is the first stage; ties are parallel encoders
  int group = 0;    ///< index into Layout::groups; neighbours in depth may share one and then run one after the other
  std::vector<ModulePart> parts;  ///< several where encoders share a stage
};

/// What a planner chooses for one module, and what tables and files say of it.
struct ModuleDegrees {
  int tp = 1;
  int pp = 1;
  /// Copies of a microbatch's work that run at once: replicas, and parts of a divided device group; of pipelines that
  /// share their devices, one both ways.
  int dp = 1;
  bool sequence_parallel = false;
  int cp = 1;
  int ep = 1;
  int etp = 1;
  std::vector<int> layers_per_stage{};  ///< empty: evenly, earlier stages one more
  /// An encoder on the LLM's devices, every group of which encodes a share of each microbatch of all replicas, with
  /// tensor parallelism of its own; its pp, dp and cp follow from that. Megatron-LM's colocated MIMO, the modality
  /// decoupling of LongCat-Flash-Omni (arXiv 2511.00279).
  bool spread = false;

  int gpus() const { return tp * cp * pp * dp; }
  bool operator==(const ModuleDegrees&) const = default;
};

/// How the encoders' output reaches the LLM when they have devices of their own, and the gradients come back.
struct Communicator {
  enum class Route {
    kHub,     ///< one encoder rank gathers everything and sends to every LLM replica in turn (DFLOP)
    kDirect,  ///< every encoder replica sends to every LLM replica what it needs
  };
  Route route = Route::kHub;
  /// A message waits for both ends, and neither computes while it lasts (DFLOP's released code: batched sends and
  /// receives that are waited for, a device-wide synchronisation around every forward). Otherwise messages run beside
  /// computation.
  bool blocking = false;

  static const Communicator kHub;
  static const Communicator kDirect;
  static const Communicator kBlockingHub;
  bool hub() const { return route == Route::kHub; }
  bool operator==(const Communicator&) const = default;
};
inline constexpr Communicator Communicator::kHub{Communicator::Route::kHub, false};
inline constexpr Communicator Communicator::kDirect{Communicator::Route::kDirect, false};
inline constexpr Communicator Communicator::kBlockingHub{Communicator::Route::kHub, true};

/// "hub", "direct", or {"name": "hub", "blocking": true}; a bare name does not block.
Json ToJson(const Communicator& communicator);
Communicator ReadCommunicator(const JsonReader& json);

/// Who feeds whom: the outputs of pipeline `from` are inputs of pipeline `to`. Microbatch k of `from` is the union of
/// the microbatches k of all replicas of `to`, evenly divided over its own replicas.
struct Edge {
  int from = 0;
  int to = 0;
  bool operator==(const Edge&) const = default;
};

struct Layout {
  std::string name;  ///< e.g. "uniform tp4 pp2 dp4 (1 encoder stage), 16 microbatches"
  std::vector<DeviceGroup> groups;
  std::vector<Stage> stages;  ///< ordered by replica, then depth
  int microbatches = 1;       ///< per LLM replica, of two directions that is each way
  /// Parts of every microbatch's sequence that pass the stages one by one (Seq1F1B). Orders, costs and operations count
  /// these units: part j of microbatch k is k·splits + j.
  int splits = 1;
  int depth = 1;  ///< number of stages a microbatch passes
  /// [module]: the pipeline that it is part of. Modules of one pipeline follow each other inside a replica.
  std::vector<int> pipelines;
  std::vector<int> replicas;  ///< [pipeline]
  std::vector<Edge> edges;    ///< between pipelines; none where all modules are in one
  Communicator communicator = Communicator::kHub;
  /// Pipelines over the same devices, 1 or 2; two run in opposite directions (Chimera, arXiv 2107.06925), each a
  /// replica with weights of its own: the first half of the replicas go down the devices, replica r + rows() goes up
  /// those of replica r. Replicas of one direction are neighbours, as experts and shard groups that fold over replicas
  /// want them.
  int directions = 1;

  int modules() const { return static_cast<int>(pipelines.size()); }
  int replicas_of(int module) const { return replicas[Index(pipelines[Index(module)])]; }
  int llm_replicas() const { return replicas.back(); }
  int units() const { return microbatches * splits; }
  int MicrobatchOf(int unit) const { return unit / splits; }
  /// Of devices, each of which runs one LLM replica or one each way.
  int rows() const { return llm_replicas() / directions; }
  int RowOf(int llm_replica) const { return directions == 1 ? llm_replica : llm_replica % rows(); }
  int DirectionOf(int llm_replica) const { return directions == 1 ? 0 : llm_replica / rows(); }
  int microbatches_of_row() const { return microbatches * directions; }
  /// Several pipelines, joined by messages.
  bool joins() const { return !edges.empty(); }
  /// The module's outputs leave its pipeline.
  bool feeds(int module) const;
  /// Ranks over all replicas that hold the same weights: what divides a distributed optimizer's state.
  int copies(const ModulePart& part) const { return replicas_of(part.module) * part.mesh.copies(); }
  int gpus_used() const;
};

/// [module]: read off the stages.
std::vector<ModuleDegrees> DegreesOf(const Layout& layout);

/// Which neighbours in the order of GPUs come next after those of a tensor-parallel group.
enum class PlacementOrder {
  kReplicas,  ///< the replicas of a stage, then stages: Megatron-LM's tp-cp-ep-dp-pp
  kStages,    ///< the stages of a replica, then replicas: tp-cp-ep-pp-dp
  /// As kReplicas until somebody says where the GPUs lie (sim/plan/given_gpus.hpp): whether tensor-parallel groups stay
  /// in NVLink domains is not asked before.
  kGiven,
};
/// "tp-cp-ep-dp-pp"; cp and ep may be left out. InputError at any other order; a list of GPUs is kGiven.
PlacementOrder ReadPlacementOrder(const JsonReader& json);

/// The only two ways a layout is built (a planner chooses degrees, these place them).
struct HomogeneousDegrees {
  int tp = 1;
  int pp = 1;
  int dp = 1;              ///< rows of devices: with two directions, of two replicas each
  int encoder_stages = 0;  ///< first stages with encoder layers only; 0 with pp = 1 (shared device) or no encoder
  int microbatches = 1;    ///< per replica
  bool sequence_parallel = false;
  /// Stages per device of an interleaved pipeline: stage s is on device s mod pp. Of two directions, each way.
  int chunks = 1;
  /// Colocated: encoders with fewer tensor-parallel ranks than a device group has, which then encodes data-parallel
  /// inside itself; a divisor of tp, 0 = tp.
  int encoder_tp = 0;
  int fewer_last = 0;  ///< layers that the LLM's last stage, which holds head and loss, leaves to the others
  PlacementOrder order = PlacementOrder::kReplicas;
  int cp = 1;  ///< of the LLM; encoders divide their tiles over these ranks instead
  int ep = 1;
  int etp = 1;
  std::vector<int> layers_per_stage{};  ///< of the LLM's stages, first to last; empty: evenly
  /// With an even number of chunks: stage pp + i is on the device of stage pp − 1 − i, down the pipeline and up again,
  /// as often as there are two chunks.
  bool turns_back = false;
  int directions = 1;  ///< 2: another replica on the same devices, an even number, in the opposite direction

  int group() const { return tp * cp; }
  int gpus() const { return group() * pp * dp; }
};
struct SeparateDegrees {
  std::vector<ModuleDegrees> encoders;
  ModuleDegrees llm;
  int microbatches = 1;
  Communicator communicator = Communicator::kHub;
  int fewer_last = 0;  ///< as in HomogeneousDegrees
  PlacementOrder order = PlacementOrder::kReplicas;
  int chunks = 1;           ///< of the LLM, as in HomogeneousDegrees
  bool turns_back = false;  ///< likewise
};

/// "" when the degrees can be placed on the cluster, otherwise what is wrong with them: heads or widths that TP does
/// not divide (with the nearest that work), more stages than layers, layers per stage that do not add up, experts that
/// do not divide, a TP group across NVLink domains, too few GPUs.
std::string WhyImpossible(const HomogeneousDegrees& degrees, const ModelSpec& model, const ClusterSpec& cluster);
std::string WhyImpossible(const SeparateDegrees& degrees, const ModelSpec& model, const ClusterSpec& cluster);

/// Degrees must be possible. Placement: encoder ranks first; inside a module tensor-parallel ranks are adjacent, then
/// context-parallel ones, then as the order says: by default replicas, then stages, so that replicas share nodes and
/// stages cross them.
Layout BuildLayout(const HomogeneousDegrees& degrees, const ModelSpec& model, const ClusterSpec& cluster);
Layout BuildLayout(const SeparateDegrees& degrees, const ModelSpec& model, const ClusterSpec& cluster);

/// The same layout where every microbatch's sequence passes in so many parts.
Layout InSplits(Layout layout, int splits);

/// `layers` over `stages`, earlier stages one more where they do not divide; returns the layers of each stage. The last
/// stage gets `fewer_last` less than it would, at least 1, and the others share them.
std::vector<int> SplitLayers(int layers, int stages, int fewer_last = 0);

/// Stages that a microbatch passes in turn, all of one replica: a whole pipeline in a homogeneous layout; in a separate
/// one the encoder's way and the LLM's way are chains of their own, joined by the communicator.
struct Chain {
  int module = 0;  ///< the last one that its pipeline holds
  int replica = 0;
  std::vector<int> stages;  ///< indices into Layout::stages by depth
};
std::vector<Chain> ChainsOf(const Layout& layout);

/// [stage]: of an encoder that is spread over devices of the LLM.
std::vector<bool> SpreadStages(const Layout& layout);

/// [depth]: which device of the pipeline a stage is on, counted in the order in which a microbatch first meets them;
/// encoders that are spread over them stand on none. Of two directions that of the way down; on the way up a stage is
/// on the device that stands as far from the end.
std::vector<int> DevicePositions(const Layout& layout);

/// Of the nodes that a stage runs on.
KindId KindOf(const Stage& stage, const Layout& layout, const ClusterSpec& cluster);

/// Of the slowest GPU of a stage's group, as a share of its kind's.
double SpeedOf(const Stage& stage, const Layout& layout, const ClusterSpec& cluster);

Json ToJson(const Layout& layout);
Layout ReadLayout(const JsonReader& json);

}  // namespace dflop
