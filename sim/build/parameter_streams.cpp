// Devices that hold the same stages of different replicas run the same units in the same order: the n-th unit of each
// is gathered for all of a shard group at once.
#include "sim/build/parameter_streams.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "models/sharding.hpp"
#include "sim/build/shard_groups.hpp"

namespace dflop {
namespace {

/// A unit of a stage, as replicas share it.
struct Unit {
  Bytes weights{0};
  Bytes gradients{0};
  /// Of which experts have, where they fold over the ranks otherwise than the rest.
  Bytes expert_weights{0};
  Bytes expert_gradients{0};
  bool last_reduction_only = false;  ///< gradients are added up over the microbatches before they are reduced
  bool held = false;                 ///< gathered, and not yet resharded
};

/// What a device does next with a unit.
struct Turn {
  int stage = 0;  ///< place among the device's stages
  int unit = 0;
  bool gathers = false;
  bool reduces = false;
};

/// Devices of all replicas that hold the same stages.
struct Row {
  std::vector<int> replicas{};
  std::vector<std::vector<int>> stages{};  ///< [place among the device's stages][replica]
};

class ParameterStreams {
 public:
  explicit ParameterStreams(GraphDraft& draft) : draft_(draft), software_(draft.cost.software()) {}

  void Build() {
    for (const Row& row : Rows()) AddRow(row);
  }

 private:
  bool IsGathered(int s) const { return !GatheredUnits(draft_.cost, draft_.layout, draft_.StageAt(s)).empty(); }

  /// Only devices that hold a stage whose units are gathered.
  std::vector<Row> Rows() const {
    std::map<int, std::vector<int>> stages_of;  // by group
    for (int s = 0; s < draft_.StageCount(); ++s) {
      if (draft_.Represented(s)) stages_of[draft_.StageAt(s).group].push_back(s);
    }
    std::map<std::vector<int>, Row> rows;  // by depths
    for (const auto& [group, stages] : stages_of) {
      if (std::none_of(stages.begin(), stages.end(), [&](int s) { return IsGathered(s); })) continue;
      std::vector<int> depths;
      depths.reserve(stages.size());
      for (const int s : stages) depths.push_back(draft_.StageAt(s).depth);
      Row& row = rows[depths];
      row.replicas.push_back(draft_.StageAt(stages.front()).replica);
      row.stages.resize(stages.size());
      for (std::size_t i = 0; i < stages.size(); ++i) row.stages[i].push_back(stages[i]);
    }
    std::vector<Row> all;
    all.reserve(rows.size());
    for (auto& [depths, row] : rows) all.push_back(std::move(row));
    return all;
  }

  void AddRow(const Row& row) {
    const std::size_t block = ReplicasOfBlock(row);
    std::vector<std::vector<int>> reductions;  // [block]: in the order of the stream
    for (std::size_t first = 0; first < row.replicas.size(); first += block) {
      const std::optional<Block> one = BlockAt(row, first, block);
      if (one) reductions.push_back(AddBlock(*one));
    }
    AddUp(row, reductions);
  }

  Sharding LevelOf(int s) const { return software_.sharding_of(draft_.IsLlm(draft_.StageAt(s).parts.front())); }
  int RanksOf(int s) const {
    return ShardRanks(software_, LevelOf(s), draft_.layout.copies(draft_.StageAt(s).parts.front()));
  }

  /// Replicas whose devices gather together: those of the widest shard group.
  std::size_t ReplicasOfBlock(const Row& row) const {
    int most = 1;
    for (const std::vector<int>& stages : row.stages) {
      const int each = draft_.StageAt(stages.front()).parts.front().mesh.copies();
      if (IsGathered(stages.front())) most = std::max(most, RanksOf(stages.front()) / each);
    }
    return std::min(Index(most), row.replicas.size());
  }

  struct Block {
    std::vector<std::vector<int>> stages{};    ///< [place][replica]
    std::vector<std::vector<Unit>> units{};    ///< [place][unit]
    std::vector<Turn> turns{};                 ///< of each device, in its order
    std::vector<std::vector<int>> computed{};  ///< [turn]: operations of the replicas that are present
  };

  /// Nothing where no replica of the block is present.
  std::optional<Block> BlockAt(const Row& row, std::size_t first, std::size_t count) const {
    Block block;
    for (const std::vector<int>& stages : row.stages) {
      block.stages.emplace_back(stages.begin() + static_cast<std::ptrdiff_t>(first),
                                stages.begin() + static_cast<std::ptrdiff_t>(first + count));
      block.units.push_back(UnitsAt(stages.front()));
    }
    for (std::size_t r = 0; r < count; ++r) {
      if (!draft_.Included(block.stages.front()[r])) continue;
      AddTurns(r, block);
    }
    if (block.turns.empty()) return std::nullopt;
    MarkLastReductions(block);
    return block;
  }

  std::vector<Unit> UnitsAt(int s) const {
    std::vector<Unit> units;
    const bool llm = draft_.IsLlm(draft_.StageAt(s).parts.front());
    for (const ModulePart& part : GatheredUnits(draft_.cost, draft_.layout, draft_.StageAt(s))) {
      const bool folds = part.mesh.ep * part.mesh.etp > 1;
      units.push_back({.weights = draft_.cost.WeightBytes(part),
                       .gradients = draft_.cost.GradientBytes(part),
                       .expert_weights = folds ? draft_.cost.ExpertWeightBytes(part) : Bytes(0),
                       .expert_gradients = folds ? draft_.cost.ExpertGradientBytes(part) : Bytes(0),
                       .last_reduction_only = !software_.reduces_every_microbatch(llm)});
    }
    return units;
  }

  /// Of the device of the r-th replica: its operations join the turns of those before it.
  void AddTurns(std::size_t r, Block& block) const {
    const bool is_first = block.turns.empty();
    std::size_t turn = 0;
    for (const int id : draft_.graph.queues[Index(draft_.StageAt(block.stages.front()[r]).group)]) {
      const Operation& operation = draft_.graph.operations[Index(id)];
      if (operation.unit < 0) continue;
      if (is_first) block.turns.push_back(TurnOf(operation, r, block));
      if (is_first) block.computed.emplace_back();
      DFLOP_CHECK(turn < block.computed.size(), "replicas that gather together run in the same order");
      block.computed[turn++].push_back(id);
    }
    DFLOP_CHECK(turn == block.turns.size(), "replicas that gather together run in the same order");
  }

  /// A pass over a unit gathers it unless it is still there from the forward before.
  Turn TurnOf(const Operation& operation, std::size_t r, Block& block) const {
    Turn turn{.unit = operation.unit};
    while (block.stages[Index(turn.stage)][r] != operation.stage) ++turn.stage;
    Unit& unit = block.units[Index(turn.stage)][Index(turn.unit)];
    const bool needs_weights = operation.kind != OpKind::kBackwardWeight;
    turn.gathers = needs_weights && !unit.held;
    if (operation.kind == OpKind::kForward) unit.held = !software_.reshard_after_forward;
    if (GivesInputGradient(operation.kind)) unit.held = false;
    turn.reduces = GivesWeightGradient(operation.kind) && unit.gradients > Bytes(0);
    return turn;
  }

  static void MarkLastReductions(Block& block) {
    std::map<std::pair<int, int>, bool> later;
    for (auto turn = block.turns.rbegin(); turn != block.turns.rend(); ++turn) {
      if (!turn->reduces) continue;
      bool& seen = later[{turn->stage, turn->unit}];
      if (block.units[Index(turn->stage)][Index(turn->unit)].last_reduction_only && seen) turn->reduces = false;
      seen = true;
    }
  }

  /// The stream of a block; returns its reductions.
  std::vector<int> AddBlock(const Block& block) {
    queue_ = static_cast<int>(draft_.graph.queues.size());
    draft_.graph.queues.emplace_back();
    const std::size_t ahead = Index(software_.prefetch);
    std::vector<int> reductions;
    std::size_t next = 0;
    for (std::size_t i = 0; i < block.turns.size(); ++i) {
      for (; next <= std::min(i + ahead, block.turns.size() - 1); ++next) {
        if (block.turns[next].gathers) Gather(block, next, ahead);
      }
      if (block.turns[i].reduces) reductions.push_back(Reduce(block, i));
    }
    return reductions;
  }

  void Gather(const Block& block, std::size_t turn, std::size_t ahead) {
    const Unit& unit = block.units[Index(block.turns[turn].stage)][Index(block.turns[turn].unit)];
    const int gathered = Add(block, turn, OpKind::kParameterGather, CollectiveOp::kAllGather,
                             {unit.weights, unit.expert_weights}, draft_.options.communication.parameters);
    if (turn > ahead) {
      for (const int freed : block.computed[turn - 1 - ahead]) draft_.Need(gathered, freed);
    }
    for (const int computed : block.computed[turn]) draft_.Need(computed, gathered);
  }

  int Reduce(const Block& block, std::size_t turn) {
    const Unit& unit = block.units[Index(block.turns[turn].stage)][Index(block.turns[turn].unit)];
    const int reduced = Add(block, turn, OpKind::kGradientReduction, CollectiveOp::kReduceScatter,
                            {unit.gradients, unit.expert_gradients}, draft_.options.communication.gradients);
    for (const int computed : block.computed[turn]) draft_.Need(reduced, computed);
    for (const int s : block.stages[Index(block.turns[turn].stage)]) draft_.reduced[Index(s)] = reduced;
    reduced_bytes_[reduced] = unit.gradients.value();
    return reduced;
  }

  /// Collectives of equally many bytes over the same GPUs are alike.
  struct Moved {
    Bytes all{0};
    Bytes of_experts{0};
  };
  int Add(const Block& block, std::size_t turn, OpKind kind, CollectiveOp op, Moved bytes, bool moves) {
    const std::vector<int>& stages = block.stages[Index(block.turns[turn].stage)];
    const auto [known, is_new] = known_.try_emplace({queue_, op, block.turns[turn].stage, bytes.all.value()}, kNone);
    if (!is_new) return draft_.AddAgain(known->second);
    const Operation operation{.kind = kind, .stage = FirstPresent(stages), .queue = queue_, .of_all_replicas = true};
    const Communication communication = moves ? Collectives(stages, op, bytes) : Communication{};
    return known->second = draft_.AddCommunication(operation, communication);
  }

  /// Over the shard groups, then over those who hold the same experts.
  Communication Collectives(const std::vector<int>& stages, CollectiveOp op, Moved bytes) const {
    const ClusterSpec& cluster = draft_.cost.cluster();
    Communication all =
        ShardGroups(cluster, draft_.layout, stages, RanksOf(stages.front())).Inside(op, bytes.all - bytes.of_experts);
    if (bytes.of_experts <= Bytes(0)) return all;
    const Communication experts = ExpertCopies(cluster, draft_.layout, stages).Over(op, bytes.of_experts);
    all.flows.insert(all.flows.end(), experts.flows.begin(), experts.flows.end());
    all.latency += experts.latency;
    return all;
  }

  int FirstPresent(const std::vector<int>& stages) const {
    return *std::find_if(stages.begin(), stages.end(), [&](int s) { return draft_.Included(s); });
  }

  /// Over several shard groups: what each has reduced is added up, one after the other beside the streams.
  void AddUp(const Row& row, const std::vector<std::vector<int>>& reductions) {
    if (reductions.empty()) return;
    std::map<std::pair<int, double>, int> known;
    int last = kNone;
    for (std::size_t i = 0; i < reductions.front().size(); ++i) {
      const Operation reduced = draft_.graph.operations[Index(reductions.front()[i])];
      const std::vector<int>& stages = StagesBeside(row, reduced.stage);
      const ShardGroups groups(draft_.cost.cluster(), draft_.layout, stages, RanksOf(reduced.stage));
      if (!groups.several()) continue;
      const double bytes = reduced_bytes_.at(reductions.front()[i]);
      const auto [entry, is_new] = known.try_emplace({reduced.stage, bytes}, kNone);
      const Operation operation{.kind = reduced.kind, .stage = reduced.stage, .of_all_replicas = true};
      const Communication across =
          draft_.options.communication.gradients && is_new ? groups.Across(Bytes(bytes)) : Communication{};
      const int added = is_new ? draft_.AddCommunication(operation, across) : draft_.AddAgain(entry->second);
      if (is_new) entry->second = added;
      for (const std::vector<int>& of_block : reductions) draft_.Need(added, of_block[i]);
      if (last != kNone) draft_.Need(added, last);
      last = added;
      for (const int s : stages) draft_.reduced[Index(s)] = added;
    }
  }

  const std::vector<int>& StagesBeside(const Row& row, int stage) const {
    return *std::find_if(row.stages.begin(), row.stages.end(), [&](const std::vector<int>& stages) {
      return std::find(stages.begin(), stages.end(), stage) != stages.end();
    });
  }

  GraphDraft& draft_;
  const SoftwareStack& software_;
  int queue_ = kNone;
  std::map<std::tuple<int, CollectiveOp, int, double>, int> known_;  ///< by queue, operation, place, bytes
  std::map<int, double> reduced_bytes_;                              ///< by operation
};

}  // namespace

void AddParameterStreams(GraphDraft& draft) {
  if (draft.options.couple_replicas && draft.cost.software().gathers_parameters()) ParameterStreams(draft).Build();
}

}  // namespace dflop
