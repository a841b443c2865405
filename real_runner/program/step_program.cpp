// Who computes what is read off the layout's chains; who needs which tiles from whom off the batch plan.
#include "real_runner/program/step_program.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "base/error.hpp"
#include "base/index.hpp"
#include "real_runner/program/plan_graph.hpp"
#include "sim/plan/device_order.hpp"

namespace dflop {
namespace {

/// Every tile of these samples.
std::vector<TileRange> TilesOf(const std::vector<int>& samples, const std::vector<SampleShape>& batch, int encoder) {
  std::vector<TileRange> tiles;
  for (const int i : samples) {
    const int count = batch[Index(i)].tiles[Index(encoder)];
    if (count > 0) tiles.push_back({i, 0, count});
  }
  return tiles;
}

/// `count` tiles after the first `skip` of a list.
std::vector<TileRange> Slice(const std::vector<TileRange>& tiles, std::int64_t skip, std::int64_t count) {
  std::vector<TileRange> slice;
  for (const TileRange& range : tiles) {
    const std::int64_t first = std::min<std::int64_t>(skip, range.count);
    const std::int64_t taken = std::min<std::int64_t>(range.count - first, count);
    if (taken > 0) slice.push_back({range.sample, range.first + static_cast<int>(first), static_cast<int>(taken)});
    skip -= first;
    count -= std::max<std::int64_t>(taken, 0);
  }
  return slice;
}

/// Those tiles that belong to one of the samples.
std::vector<TileRange> Only(const std::vector<TileRange>& tiles, const std::vector<int>& samples) {
  std::vector<TileRange> wanted;
  for (const TileRange& range : tiles) {
    if (std::find(samples.begin(), samples.end(), range.sample) != samples.end()) wanted.push_back(range);
  }
  return wanted;
}

class ProgramBuilder {
 public:
  ProgramBuilder(const Plan& plan, std::size_t step, bool whole_pairs)
      : plan_(plan),
        layout_(plan.layout),
        step_(plan.steps[step]),
        orders_(plan.OrdersIn(step)),
        cost_(UnpricedCosts(plan)),
        whole_pairs_(whole_pairs) {}

  StepProgram Build() {
    DivideSamples();
    AddActions();
    for (const Chain& chain : ChainsOf(layout_)) AddChain(chain);
    if (layout_.joins()) JoinEncoders();
    if (Exchanges()) ExchangeTiles();
    EndStep();
    return std::move(program_);
  }

 private:
  const Stage& StageAt(int s) const { return layout_.stages[Index(s)]; }
  int RankOf(int s) const { return StageAt(s).group; }
  bool IsLlm(int s) const { return plan_.model.is_llm(StageAt(s).parts.front().module); }
  bool NeedsBackward(int s) const {
    const auto& parts = StageAt(s).parts;
    return std::any_of(parts.begin(), parts.end(), [&](const ModulePart& part) { return cost_.NeedsBackward(part); });
  }
  bool Exchanges() const { return !layout_.joins() && !step_.plan.encoder_buckets.empty(); }

  void DivideSamples() {
    program_.shares.resize(Index(plan_.model.module_count()));
    for (int module = 0; module < plan_.model.module_count(); ++module) {
      const int replicas = layout_.replicas_of(module);
      for (int replica = 0; replica < replicas; ++replica) {
        auto& row = program_.shares[Index(module)].emplace_back();
        for (int k = 0; k < layout_.units(); ++k) row.push_back(ShareOf(module, replica, replicas, k));
      }
    }
  }

  ModuleShare ShareOf(int module, int replica, int replicas, int k) const {
    const std::vector<int> samples = SamplesIn(step_.plan, layout_, module, replica, layout_.MicrobatchOf(k));
    if (plan_.model.is_llm(module)) return {{}, samples};
    std::vector<TileRange> tiles = OfSplit(TilesOf(samples, step_.batch, module), k % layout_.splits);
    if (!RunsUnion(step_.plan, layout_, module)) return {std::move(tiles), {}};
    const std::int64_t all = CountTiles(tiles);
    std::int64_t before = 0;
    for (int r = 0; r < replica; ++r) before += ShareOfTiles(all, r, replicas);
    return {Slice(tiles, before, ShareOfTiles(all, replica, replicas)), {}};
  }

  /// Of a microbatch's tiles, those that are encoded with one of its splits.
  std::vector<TileRange> OfSplit(std::vector<TileRange> tiles, int split) const {
    if (layout_.splits == 1) return tiles;
    const std::int64_t all = CountTiles(tiles);
    std::int64_t before = 0;
    for (int earlier = 0; earlier < split; ++earlier) before += ShareOfTiles(all, earlier, layout_.splits);
    return Slice(tiles, before, ShareOfTiles(all, split, layout_.splits));
  }

  void AddActions() {
    std::vector<std::vector<int>> stages_of(layout_.groups.size());
    for (int s = 0; s < static_cast<int>(layout_.stages.size()); ++s) stages_of[Index(RankOf(s))].push_back(s);
    for (std::size_t g = 0; g < layout_.groups.size(); ++g) {
      const DeviceOrder& order = orders_[g];
      auto& actions = program_.ranks.emplace_back().actions;
      for (std::size_t at = 0; at < order.size(); ++at) {
        const ScheduledOp& op = order[at];
        const int s = stages_of[g][Index(op.chunk)];
        if (op.kind != OpKind::kForward && !NeedsBackward(s)) continue;
        if (op.kind != OpKind::kBackwardWeight)
          place_[{op.kind != OpKind::kForward, s, op.microbatch}] = actions.size();
        const bool ends_pair = !actions.empty() && actions.back().begins_pair;
        actions.push_back({op.kind, s, op.microbatch});
        actions.back().begins_pair =
            whole_pairs_ && op.pair > 0 && NeedsBackward(stages_of[g][Index(order[at + 1].chunk)]);
        actions.back().ends_pair = ends_pair;
      }
    }
  }

  /// nullptr where the stage has no such operation: no gradient flows there.
  Action* Find(bool backward, int s, int k) {
    const auto found = place_.find({backward, s, k});
    return found == place_.end() ? nullptr : &program_.ranks[Index(RankOf(s))].actions[found->second];
  }

  Message Between(int from, int to, int k, bool backward, std::vector<Piece> pieces) const {
    return {RankOf(from), RankOf(to), from, to, k, backward, std::move(pieces), from, to};
  }
  int Keep(Message message) {
    program_.messages.push_back(std::move(message));
    return static_cast<int>(program_.messages.size()) - 1;
  }
  static void SendFrom(Action* producer, int message) {
    (producer->begins_pair ? producer + 1 : producer)->sends.push_back(message);
  }
  static void ReceiveAt(Action* consumer, int message) {
    (consumer->ends_pair ? consumer - 1 : consumer)->receives.push_back(message);
  }

  /// The usual message: made by the operation of its first stage, wanted by that of its second.
  void Connect(Message message) {
    Action* producer = Find(message.backward, message.from_stage, message.microbatch);
    Action* consumer = Find(message.backward, message.to_stage, message.microbatch);
    if (producer == nullptr || consumer == nullptr) return;
    const int kept = Keep(std::move(message));
    SendFrom(producer, kept);
    ReceiveAt(consumer, kept);
  }

  const ModuleShare& Share(int module, int replica, int k) const {
    return program_.shares[Index(module)][Index(replica)][Index(k)];
  }

  Piece Projected(int encoder, std::vector<TileRange> tiles) const {
    const std::int64_t rows = CountTiles(tiles) * plan_.model.encoders[Index(encoder)].projected_tokens_per_tile();
    return {encoder, true, rows, plan_.model.llm.shape.hidden, std::move(tiles)};
  }

  Piece Hidden(int module, int replica, int k) const {
    const ModuleShare& share = Share(module, replica, k);
    std::int64_t tokens = 0;
    if (plan_.model.is_llm(module)) {
      for (const int i : share.samples) tokens += step_.batch[Index(i)].llm_tokens;
      const int split = k % layout_.splits;
      tokens = tokens * (split + 1) / layout_.splits - tokens * split / layout_.splits;
    } else {
      tokens = CountTiles(share.tiles) * plan_.model.encoders[Index(module)].tokens_per_tile();
    }
    return {module, false, tokens, plan_.model.shape(module).hidden, {}};
  }

  void AddChain(const Chain& chain) {
    for (std::size_t i = 0; i + 1 < chain.stages.size(); ++i) {
      const int from = chain.stages[i];
      const int to = chain.stages[i + 1];
      if (Exchanges() && IsLlm(to) && !IsLlm(from)) continue;
      for (int k = 0; k < layout_.units(); ++k) {
        std::vector<Piece> pieces = HandedOn(from, to, k);
        Connect(Between(from, to, k, false, pieces));
        Connect(Between(to, from, k, true, std::move(pieces)));
      }
    }
  }

  std::vector<Piece> HandedOn(int from, int to, int k) const {
    const Stage& stage = StageAt(from);
    std::vector<Piece> pieces;
    for (const ModulePart& part : stage.parts) {
      const bool ends = part.has_output && !plan_.model.is_llm(part.module);
      DFLOP_CHECK(!ends || IsLlm(to), "encoders end where the LLM begins");
      pieces.push_back(ends ? Projected(part.module, Share(part.module, stage.replica, k).tiles)
                            : Hidden(part.module, stage.replica, k));
    }
    return pieces;
  }

  /// An all-to-all among the replicas of a homogeneous layout: everybody sends to everybody, if only that there is
  /// nothing to send, because nobody goes on before all have encoded.
  void ExchangeTiles() {
    std::vector<int> encoders;
    for (const Chain& chain : ChainsOf(layout_)) {
      for (std::size_t i = 0; i + 1 < chain.stages.size(); ++i) {
        if (!IsLlm(chain.stages[i]) && IsLlm(chain.stages[i + 1])) encoders.push_back(chain.stages[i]);
      }
    }
    for (int k = 0; k < layout_.units(); ++k) {
      for (const int from : encoders) {
        for (const int to : encoders) ExchangeBetween(from, to + 1, encoders.front(), k);
      }
    }
  }

  void ExchangeBetween(int encoder, int llm, int named, int k) {
    std::vector<Piece> pieces;
    for (const ModulePart& part : StageAt(encoder).parts) {
      const std::vector<int>& samples = Share(plan_.model.llm_module(), StageAt(llm).replica, k).samples;
      pieces.push_back(Projected(part.module, Only(Share(part.module, StageAt(encoder).replica, k).tiles, samples)));
    }
    ConnectAs(Between(encoder, llm, k, false, pieces), named, named + 1);
    ConnectAs(Between(llm, encoder, k, true, std::move(pieces)), named + 1, named);
  }

  /// A part of the operation that goes by other stages' names.
  void ConnectAs(Message message, int operation_stage, int operation_to_stage) {
    message.operation_stage = operation_stage;
    message.operation_to_stage = operation_to_stage;
    Connect(std::move(message));
  }

  void JoinEncoders() {
    std::vector<Chain> encoders;
    std::vector<Chain> llms;
    for (Chain& chain : ChainsOf(layout_)) {
      (plan_.model.is_llm(chain.module) ? llms : encoders).push_back(std::move(chain));
    }
    const bool hub = layout_.communicator.hub();
    // A hub serves microbatches in the order in which the first LLM stage runs them.
    for (const ScheduledOp& op : orders_[Index(RankOf(llms.front().stages.front()))]) {
      if (op.chunk != 0 || op.kind == OpKind::kBackwardWeight) continue;
      for (int e = 0; e < plan_.model.llm_module(); ++e) {
        hub ? ThroughHub(encoders, llms, e, op.microbatch, GivesInputGradient(op.kind))
            : Directly(encoders, llms, e, op.microbatch, GivesInputGradient(op.kind));
      }
    }
  }

  static std::vector<const Chain*> ChainsOfModule(const std::vector<Chain>& chains, int module) {
    std::vector<const Chain*> found;
    for (const Chain& chain : chains) {
      if (chain.module == module) found.push_back(&chain);
    }
    return found;
  }

  /// Tiles that an encoder's replica has made for an LLM's.
  Piece Common(int e, int encoder_replica, int llm_replica, int k) const {
    const std::vector<int>& samples = Share(plan_.model.llm_module(), llm_replica, k).samples;
    return Projected(e, Only(Share(e, encoder_replica, k).tiles, samples));
  }
  Piece AllOf(int e, int llm_replica, int k) const {
    return Projected(e, TilesOf(Share(plan_.model.llm_module(), llm_replica, k).samples, step_.batch, e));
  }

  void Directly(const std::vector<Chain>& encoders, const std::vector<Chain>& llms, int e, int k, bool backward) {
    const std::vector<const Chain*> replicas = ChainsOfModule(encoders, e);
    const int named = replicas.front()->stages.back();
    for (const Chain& llm : llms) {
      const int first = llm.stages.front();
      for (const Chain* encoder : replicas) {
        const int last = encoder->stages.back();
        std::vector<Piece> pieces = {Common(e, encoder->replica, llm.replica, k)};
        backward ? ConnectAs(Between(first, last, k, true, std::move(pieces)), first, named)
                 : ConnectAs(Between(last, first, k, false, std::move(pieces)), named, first);
      }
    }
  }

  void ThroughHub(const std::vector<Chain>& encoders, const std::vector<Chain>& llms, int e, int k, bool backward) {
    const std::vector<const Chain*> replicas = ChainsOfModule(encoders, e);
    const int hub = replicas.front()->stages.back();
    if (backward && Find(true, hub, k) == nullptr) return;
    Relay relay;
    const int queue = 2 * e + (backward ? 1 : 0);
    for (const Chain* encoder : replicas) {
      const int last = encoder->stages.back();
      std::vector<Piece> pieces = {Projected(e, Share(e, encoder->replica, k).tiles)};
      Message message =
          backward ? Between(hub, last, k, true, std::move(pieces)) : Between(last, hub, k, false, std::move(pieces));
      message.operation_stage = message.operation_to_stage = hub;
      const int kept = Keep(std::move(message));
      backward ? ReceiveAt(Find(true, last, k), kept) : SendFrom(Find(false, last, k), kept);
      (backward ? relay.out : relay.in).push_back(kept);
    }
    for (const Chain& llm : llms) {
      const int first = llm.stages.front();
      std::vector<Piece> pieces = {AllOf(e, llm.replica, k)};
      Message message =
          backward ? Between(first, hub, k, true, std::move(pieces)) : Between(hub, first, k, false, std::move(pieces));
      message.hub_queue = queue;
      const int kept = Keep(std::move(message));
      backward ? SendFrom(Find(true, first, k), kept) : ReceiveAt(Find(false, first, k), kept);
      (backward ? relay.in : relay.out).push_back(kept);
    }
    program_.ranks[Index(RankOf(hub))].relays.push_back(std::move(relay));
  }

  /// The stages that hold the same layers, together, in the order in which a layout names them first.
  std::vector<std::vector<int>> Copies() const {
    std::map<std::tuple<int, int, int>, std::size_t> row_of;
    std::vector<std::vector<int>> rows;
    for (int s = 0; s < static_cast<int>(layout_.stages.size()); ++s) {
      const ModulePart& part = StageAt(s).parts.front();
      const auto [entry, is_new] = row_of.try_emplace({StageAt(s).depth, part.module, part.first_layer}, rows.size());
      if (is_new) rows.emplace_back();
      rows[entry->second].push_back(s);
    }
    return rows;
  }

  /// Overlapped reductions of one rank go in the order of their stages' last gradients.
  std::vector<std::vector<int>> InOrderOfReduction(std::vector<std::vector<int>> copies) const {
    const auto last_gradient = [&](const std::vector<int>& stages) {
      const std::vector<Action>& actions = program_.ranks[Index(RankOf(stages.front()))].actions;
      const auto gives = [&](const Action& a) { return a.stage == stages.front() && a.kind != OpKind::kForward; };
      return actions.rend() - std::find_if(actions.rbegin(), actions.rend(), gives);
    };
    if (plan_.software.overlap_gradients) {
      std::stable_sort(copies.begin(), copies.end(),
                       [&](const auto& a, const auto& b) { return last_gradient(a) < last_gradient(b); });
    }
    return copies;
  }

  bool Trains(int s) const {
    const auto& parts = StageAt(s).parts;
    return std::any_of(parts.begin(), parts.end(),
                       [&](const ModulePart& part) { return cost_.TrainableParameters(part) > 0; });
  }

  void EndStep() {
    const std::vector<std::vector<int>> copies = Copies();
    const auto coupled = [&](const std::vector<int>& stages) {
      return (stages.size() > 1 || StageAt(stages.front()).parts.front().mesh.copies() > 1) && Trains(stages.front());
    };
    for (const auto& stages : InOrderOfReduction(copies)) {
      if (coupled(stages)) AddCollective({Collective::What::kGradients, stages, {}, stages.front()});
    }
    TieEmbeddings();
    for (const auto& stages : copies) {
      for (const int s : stages) program_.ranks[Index(RankOf(s))].stages.push_back(s);
      if (coupled(stages) && plan_.software.shards()) {
        AddCollective({Collective::What::kParameters, stages, {}, stages.front()});
      }
    }
  }

  void TieEmbeddings() {
    if (!plan_.model.llm.tied_embeddings || plan_.model.llm.frozen) return;
    for (const Chain& chain : ChainsOf(layout_)) {
      if (!plan_.model.is_llm(chain.module)) continue;
      const int last = chain.stages.back();
      const int first = *std::find_if(chain.stages.begin(), chain.stages.end(),
                                      [&](int s) { return IsLlm(s) && StageAt(s).parts.front().has_input; });
      if (first != last) AddCollective({Collective::What::kTiedEmbedding, {first, last}, {}, first, last});
    }
  }

  void AddCollective(Collective collective) {
    const int index = static_cast<int>(program_.collectives.size());
    for (const int s : collective.stages) {
      const int rank = RankOf(s);
      if (std::find(collective.ranks.begin(), collective.ranks.end(), rank) == collective.ranks.end()) {
        RankProgram& program = program_.ranks[Index(rank)];
        (collective.what == Collective::What::kParameters ? program.gathers : program.reductions).push_back(index);
      }
      collective.ranks.push_back(rank);
    }
    program_.collectives.push_back(std::move(collective));
  }

  const Plan& plan_;
  const Layout& layout_;
  const PlannedStep& step_;
  const std::vector<DeviceOrder>& orders_;
  const CostModel cost_;
  bool whole_pairs_;
  StepProgram program_;
  /// (backward, stage, microbatch) → place in its rank's actions: what receives and sends
  std::map<std::tuple<bool, int, int>, std::size_t> place_;
};

}  // namespace

std::int64_t Message::values() const {
  std::int64_t count = 0;
  for (const Piece& piece : pieces) count += piece.values();
  return count;
}

StepProgram MakeStepProgram(const Plan& plan, std::size_t step, bool whole_pairs) {
  return ProgramBuilder(plan, step, whole_pairs).Build();
}

}  // namespace dflop
