// Plan → operations. Each paragraph of GraphBuilder adds one kind of operation and the dependencies it brings.
//
// Assumptions, stated once: transfers run beside computation (asynchronous sends and receives) unless the communicator
// between encoders and LLM blocks, the gradient reduction of a stage starts when all its replicas have finished
// (overlapped: when all have begun their last backward), and the step ends when every replica has its new weights.
#include "sim/build/graph_builder.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/error.hpp"
#include "base/index.hpp"
#include "sim/build/collectives.hpp"
#include "sim/build/communicator.hpp"

namespace dflop {
namespace {

constexpr int kNone = -1;

class GraphBuilder {
 public:
  GraphBuilder(const Job& job, const StepWork& work, const StepCosts& costs, const GraphOptions& options)
      : cost_(job.cost), layout_(job.layout), orders_(job.orders), work_(work), costs_(costs), options_(options) {
    const std::size_t rows = layout_.stages.size() * Index(layout_.microbatches);
    for (auto& table : {&forward_, &backward_, &weight_}) table->assign(rows, kNone);
    graph_.groups = static_cast<int>(layout_.groups.size());
    graph_.queues.resize(layout_.groups.size());
    stages_of_group_.resize(layout_.groups.size());
    for (int s = 0; s < StageCount(); ++s) {
      if (Included(s)) stages_of_group_[Index(StageAt(s).group)].push_back(s);
    }
  }

  OperationGraph Build() {
    for (std::size_t g = 0; g < layout_.groups.size(); ++g) AddDeviceOrder(static_cast<int>(g));
    for (const Chain& chain : ChainsOf(layout_)) {
      if (Included(chain.stages.front())) AddChain(chain);
    }
    if (layout_.separate_encoders) JoinEncoders();
    if (Exchanges()) ExchangeTiles();
    AddStepEnd();
    StartBeside();
    Compress();
    return std::move(graph_);
  }

 private:
  int StageCount() const { return static_cast<int>(layout_.stages.size()); }
  const Stage& StageAt(int s) const { return layout_.stages[Index(s)]; }
  bool IsEncoderOnly(int s) const {
    return layout_.separate_encoders && !cost_.model().is_llm(StageAt(s).parts.front().module);
  }
  /// With one replica alone, the encoders that feed it stay.
  bool Included(int s) const {
    return options_.only_replica == kNone || IsEncoderOnly(s) || StageAt(s).replica == options_.only_replica;
  }
  std::size_t Cell(int s, int k) const { return Index(s) * Index(layout_.microbatches) + Index(k); }

  int Add(Operation operation) {
    const int id = static_cast<int>(graph_.operations.size());
    if (operation.queue != kNone) graph_.queues[Index(operation.queue)].push_back(id);
    graph_.operations.push_back(operation);
    return id;
  }
  void Need(int waiting, int needed) { edges_.emplace_back(waiting, needed); }

  /// A communication between operations, or a mere dependency when nothing has to move.
  int AddCommunication(Operation operation, Communication communication) {
    if (!communication.flows.empty()) {
      operation.duration = UncontendedTime(cost_.cluster(), communication);
      operation.communication = static_cast<int>(graph_.communications.size());
      graph_.communications.push_back(std::move(communication));
    }
    return Add(operation);
  }

  void AddDeviceOrder(int group) {
    const DeviceOrder& order = orders_[Index(group)];
    for (const ScheduledOp& op : order) {
      const auto& stages = stages_of_group_[Index(group)];
      if (stages.empty()) continue;  // a replica that is left out
      const int s = stages[Index(op.chunk)];
      if (op.kind != OpKind::kForward && !costs_.needs_backward[Index(s)]) continue;
      const PartCost& cost = costs_.stages[Index(s)][Index(op.microbatch)];
      const int id = Add({.kind = op.kind,
                          .stage = s,
                          .microbatch = op.microbatch,
                          .queue = group,
                          .duration = DurationOf(op.kind, cost)});
      Remember(op.kind, s, op.microbatch, id);
    }
  }

  static Seconds DurationOf(OpKind kind, const PartCost& cost) {
    if (kind == OpKind::kForward) return cost.forward.time;
    return (GivesInputGradient(kind) ? cost.backward.time : Seconds(0)) +
           (GivesWeightGradient(kind) ? cost.weight_gradient.time : Seconds(0));
  }

  void Remember(OpKind kind, int s, int k, int id) {
    auto& table = kind == OpKind::kForward ? forward_ : GivesInputGradient(kind) ? backward_ : weight_;
    DFLOP_CHECK(table[Cell(s, k)] == kNone, "a schedule runs one operation twice");
    table[Cell(s, k)] = id;
    if (GivesInputGradient(kind)) Need(id, forward_[Cell(s, k)]);
    if (kind == OpKind::kBackwardWeight) Need(id, backward_[Cell(s, k)]);
  }

  void AddChain(const Chain& chain) {
    for (std::size_t i = 0; i + 1 < chain.stages.size(); ++i) {
      if (Exchanges() && EndsEncoders(chain.stages[i])) continue;
      for (int k = 0; k < layout_.microbatches; ++k) {
        const Bytes bytes = BytesBetween(chain.stages[i], chain.stages[i + 1], k);
        AddTransfer(chain.stages[i], chain.stages[i + 1], k, bytes, forward_);
        AddTransfer(chain.stages[i + 1], chain.stages[i], k, bytes, backward_);
      }
    }
  }

  void AddTransfer(int from, int to, int k, Bytes bytes, const std::vector<int>& table) {
    const int producer = table[Cell(from, k)];
    const int consumer = table[Cell(to, k)];
    if (producer == kNone || consumer == kNone) return;  // no gradient flows there
    const DeviceGroup& source = layout_.groups[Index(StageAt(from).group)];
    const DeviceGroup& target = layout_.groups[Index(StageAt(to).group)];
    Communication communication;
    if (options_.communication.stages && !(source == target)) {
      const bool sequence_parallel = StageAt(to).parts.back().sequence_parallel;
      communication = StageTransfer(cost_, source, target, bytes, sequence_parallel);
    }
    if (communication.flows.empty()) return Need(consumer, producer);
    const int transfer = AddCommunication({.kind = OpKind::kTransfer, .stage = from, .to_stage = to, .microbatch = k},
                                          std::move(communication));
    Need(transfer, producer);
    Need(consumer, transfer);
  }

  /// What one stage hands to the next: the boundary of every module that goes on, the projected output of every encoder
  /// that ends.
  Bytes BytesBetween(int from, int to, int k) const {
    const Stage& stage = StageAt(from);
    Bytes bytes{0};
    for (const ModulePart& part : stage.parts) {
      const SequenceBatch& batch = work_[Index(part.module)][Index(stage.replica)][Index(k)];
      const auto& next = StageAt(to).parts;
      const bool goes_on =
          std::any_of(next.begin(), next.end(), [&](const ModulePart& p) { return p.module == part.module; });
      bytes +=
          goes_on ? cost_.BoundaryBytes(part.module, batch) : cost_.ProjectedBytes(part.module, TilesOf(part, batch));
    }
    return bytes;
  }
  double TilesOf(const ModulePart& part, const SequenceBatch& batch) const {
    return batch.tokens / cost_.model().encoders[Index(part.module)].tokens_per_tile();
  }

  /// Encoders with devices of their own: every LLM replica's microbatch k waits for the encoders' union k, and the
  /// encoders' backward k for all LLM replicas.
  void JoinEncoders() {
    std::vector<Chain> encoders;
    std::vector<Chain> llms;
    for (Chain& chain : ChainsOf(layout_)) {
      if (!Included(chain.stages.front())) continue;
      (cost_.model().is_llm(chain.module) ? llms : encoders).push_back(std::move(chain));
    }
    const Communicate join(cost_, layout_);
    if (layout_.communicator.hub() && options_.communication.encoder_llm) {
      // Every encoder has a hub of its own, whose sends forward and backward go one message at a time.
      graph_.queues.resize(graph_.queues.size() + 2 * cost_.model().encoders.size());
    }
    // A hub sends in the order in which the first LLM stage runs, otherwise it would hold up what is wanted first.
    for (const ScheduledOp& op : orders_[Index(StageAt(llms.front().stages.front()).group)]) {
      if (op.chunk != 0) continue;
      if (op.kind == OpKind::kForward) JoinForward(encoders, llms, op.microbatch, join);
      if (GivesInputGradient(op.kind)) JoinBackward(encoders, llms, op.microbatch, join);
    }
  }

  int HubQueue(int encoder, bool forward) const {
    if (!layout_.communicator.hub() || !options_.communication.encoder_llm) return kNone;
    return graph_.groups + 2 * encoder + (forward ? 0 : 1);
  }

  void JoinForward(const std::vector<Chain>& encoders, const std::vector<Chain>& llms, int k, const Communicate& join) {
    for (int e = 0; e < cost_.model().llm_module(); ++e) {
      const int last = EncoderEnds(encoders, e).front();
      const Bytes bytes = UnionBytes(e, k);
      const int gathered = AddCommunication(
          {.kind = OpKind::kTransfer, .stage = last, .to_stage = last, .microbatch = k, .of_all_replicas = true},
          Moves(join.Gather(e, bytes)));
      for (const Chain& chain : encoders) {
        if (chain.module == e) Send(forward_[Cell(chain.stages.back(), k)], gathered);
      }
      for (const Chain& llm : llms) {
        const int first = llm.stages.front();
        const int sent = AddCommunication(
            {.kind = OpKind::kTransfer, .stage = last, .to_stage = first, .microbatch = k, .queue = HubQueue(e, true)},
            Moves(join.Send(e, llm.replica, ReplicaBytes(e, llm.replica, k))));
        Need(sent, gathered);
        for (const int s : EncoderEnds(encoders, e)) HoldAfter(forward_[Cell(s, k)], sent);
        Receive(forward_[Cell(first, k)], sent);
      }
    }
  }

  void JoinBackward(const std::vector<Chain>& encoders, const std::vector<Chain>& llms, int k,
                    const Communicate& join) {
    for (int e = 0; e < cost_.model().llm_module(); ++e) {
      const int last = EncoderEnds(encoders, e).front();
      if (!costs_.needs_backward[Index(last)]) continue;
      const Bytes bytes = UnionBytes(e, k);
      const int scattered = AddCommunication(
          {.kind = OpKind::kTransfer, .stage = last, .to_stage = last, .microbatch = k, .of_all_replicas = true},
          Moves(join.Scatter(e, bytes)));
      for (const Chain& llm : llms) {
        const int first = llm.stages.front();
        const int sent = AddCommunication(
            {.kind = OpKind::kTransfer, .stage = first, .to_stage = last, .microbatch = k, .queue = HubQueue(e, false)},
            Moves(join.Return(e, llm.replica, ReplicaBytes(e, llm.replica, k))));
        Send(backward_[Cell(first, k)], sent);
        for (const int s : EncoderEnds(encoders, e)) ArriveBefore(backward_[Cell(s, k)], sent);
        Need(scattered, sent);
      }
      for (const Chain& chain : encoders) {
        if (chain.module == e) Receive(backward_[Cell(chain.stages.back(), k)], scattered);
      }
    }
  }

  Communication Moves(Communication communication) const {
    return options_.communication.encoder_llm ? std::move(communication) : Communication{};
  }

  // A communicator that blocks: a message waits for both ends, and neither computes while it lasts. What a device sends
  // and receives between two of its operations goes together, as in one batch of sends and receives.
  bool Blocks() const { return layout_.communicator.blocking && options_.communication.encoder_llm; }
  void Send(int producer, int message) {
    Need(message, producer);
    HoldAfter(producer, message);
  }
  void Receive(int consumer, int message) {
    Need(consumer, message);
    ArriveBefore(consumer, message);
  }
  /// The device that has run `operation` does not go on before the message is over.
  void HoldAfter(int operation, int message) {
    if (Blocks() && FollowOnDevice(operation, operation + 1)) Need(operation + 1, message);
  }
  /// The message does not begin before the device that runs `operation` next is there.
  void ArriveBefore(int operation, int message) {
    if (Blocks() && FollowOnDevice(operation - 1, operation)) Need(message, operation - 1);
  }
  /// The orders of the devices were added one after the other: neighbours in a queue are neighbours in number.
  bool FollowOnDevice(int first, int second) const {
    if (first < 0 || second >= static_cast<int>(graph_.operations.size())) return false;
    const int queue = graph_.operations[Index(first)].queue;
    return queue != kNone && queue == graph_.operations[Index(second)].queue;
  }

  /// Stages that messages to and from the LLM end at: the hub's, or directly those of all replicas.
  std::vector<int> EncoderEnds(const std::vector<Chain>& encoders, int module) const {
    std::vector<int> ends;
    for (const Chain& chain : encoders) {
      if (chain.module == module && (ends.empty() || !layout_.communicator.hub())) ends.push_back(chain.stages.back());
    }
    return ends;
  }

  /// Projected output of the tiles in microbatch k of one LLM replica.
  Bytes ReplicaBytes(int e, int replica, int k) const {
    return cost_.ProjectedBytes(e, static_cast<double>(work_.tiles[Index(e)][Index(replica)][Index(k)]));
  }
  /// The same over all LLM replicas.
  Bytes UnionBytes(int e, int k) const {
    double tiles = 0;
    for (const auto& replica : work_.tiles[Index(e)]) tiles += static_cast<double>(replica[Index(k)]);
    return cost_.ProjectedBytes(e, tiles);
  }

  /// Replicas of a homogeneous layout encode for each other.
  bool Exchanges() const { return !work_.routes.empty(); }
  bool EndsEncoders(int s) const { return StageAt(s).parts.front().has_output && !IsLlm(StageAt(s).parts.front()); }

  /// One all-to-all per microbatch between encoders and LLM, and one back: it starts when every replica has its part,
  /// and nobody goes on before it ends. Replicas that are uncoupled take their own.
  void ExchangeTiles() {
    std::vector<int> encoders;  // the last stages with one; the first LLM stage of the replica follows
    for (int s = 0; s < StageCount(); ++s) {
      if (Included(s) && EndsEncoders(s)) encoders.push_back(s);
    }
    const TileExchange exchange(cost_, layout_);
    const bool together = options_.couple_replicas && options_.only_replica == kNone;
    for (int k = 0; k < layout_.microbatches; ++k) {
      for (const bool backward : {false, true}) {
        if (backward && !costs_.needs_backward[Index(encoders.front())]) continue;
        if (together) {
          Exchange(encoders, k, backward, Moves(exchange.AllToAll(work_, k, backward)));
        } else {
          for (const int s : encoders) Exchange({s}, k, backward, {});
        }
      }
    }
  }

  void Exchange(const std::vector<int>& encoders, int k, bool backward, Communication all_to_all) {
    const int encoder = encoders.front();
    const int from = backward ? encoder + 1 : encoder;
    const int to = backward ? encoder : encoder + 1;
    const int exchanged = AddCommunication(
        {.kind = OpKind::kTransfer, .stage = from, .to_stage = to, .microbatch = k, .of_all_replicas = true},
        std::move(all_to_all));
    const std::vector<int>& table = backward ? backward_ : forward_;
    for (const int s : encoders) {
      Need(exchanged, table[Cell(backward ? s + 1 : s, k)]);
      Need(table[Cell(backward ? s : s + 1, k)], exchanged);
    }
  }

  /// Gradient reduction over the replicas of each stage and between tied embeddings, then the optimizer step, and the
  /// all-gather of a distributed optimizer.
  void AddStepEnd() {
    const std::vector<std::vector<int>> copies = StagesByLayers();
    reduced_.assign(layout_.stages.size(), kNone);
    for (const std::vector<int>& replicas : InOrderOfReduction(copies)) ReduceGradients(replicas);
    ReduceTiedEmbeddings();
    for (const std::vector<int>& replicas : copies) StepOptimizer(replicas);
  }

  /// The stages that take part, those that hold the same layers together.
  std::vector<std::vector<int>> StagesByLayers() const {
    std::map<std::tuple<int, int, int>, std::size_t> row_of;
    std::vector<std::vector<int>> rows;
    for (int s = 0; s < StageCount(); ++s) {
      if (!Included(s)) continue;
      const ModulePart& part = StageAt(s).parts.front();
      const auto [entry, is_new] = row_of.try_emplace({StageAt(s).depth, part.module, part.first_layer}, rows.size());
      if (is_new) rows.emplace_back();
      rows[entry->second].push_back(s);
    }
    return rows;
  }

  /// Whether several copies of these layers have gradients to add up.
  bool Coupled(const std::vector<int>& replicas) const {
    return options_.couple_replicas && (replicas.size() > 1 || StageAt(replicas.front()).parts.front().data_split > 1);
  }

  void ReduceGradients(const std::vector<int>& replicas) {
    if (!Coupled(replicas)) return;
    const Operation reduction{.kind = OpKind::kGradientReduction, .stage = replicas.front(), .of_all_replicas = true};
    ReductionParts parts =
        options_.communication.gradients ? GradientReduction(cost_, layout_, replicas) : ReductionParts{};
    if (!parts.beside_backward.flows.empty()) {
      const int begun = AddCommunication(reduction, std::move(parts.beside_backward));
      for (const int s : replicas) beside_[LastGradient(s)] = begun;
      AfterOthersOf(begun, replicas.front());
    }
    const int reduced = AddCommunication(reduction, std::move(parts.after_backward));
    for (const int s : replicas) {
      if (Overlaps(s)) {
        Need(reduced, LastGradient(s));
      } else {
        NeedLastOf(reduced, s);
      }
      reduced_[Index(s)] = reduced;
    }
    AfterOthersOf(reduced, replicas.front());
  }

  /// Stages that share their devices reduce in the order in which their gradients are complete, where they need not
  /// wait for one another.
  std::vector<std::vector<int>> InOrderOfReduction(std::vector<std::vector<int>> copies) const {
    const auto earlier = [&](const auto& a, const auto& b) {
      const bool first = Overlaps(a.front());
      return first && Overlaps(b.front()) ? LastGradient(a.front()) < LastGradient(b.front()) : first;
    };
    if (cost_.software().overlap_gradients) std::stable_sort(copies.begin(), copies.end(), earlier);
    return copies;
  }

  bool Overlaps(int s) const { return cost_.software().overlap_gradients && costs_.needs_backward[Index(s)]; }

  /// The operation with which the gradients of stage `s` are complete: the last that its device runs, which need not be
  /// that of the last microbatch.
  int LastGradient(int s) const {
    const std::vector<int>& queue = graph_.queues[Index(StageAt(s).group)];
    const auto completes = [&](int id) {
      const Operation& operation = graph_.operations[Index(id)];
      return operation.stage == s && (GivesInputGradient(operation.kind) || GivesWeightGradient(operation.kind));
    };
    const auto last = std::find_if(queue.rbegin(), queue.rend(), completes);
    DFLOP_CHECK(last != queue.rend(), "a stage that needs a backward runs one");
    return *last;
  }

  /// What runs beside an operation starts when it does: once all has ended that it waits for.
  void StartBeside() {
    const auto begin_with = [&](int other, int needed) {
      const auto found = beside_.find(other);
      if (found != beside_.end()) Need(found->second, needed);
    };
    if (beside_.empty()) return;
    const std::size_t edges = edges_.size();
    for (std::size_t i = 0; i < edges; ++i) begin_with(edges_[i].first, edges_[i].second);
    for (const std::vector<int>& queue : graph_.queues) {
      for (std::size_t i = 1; i < queue.size(); ++i) begin_with(queue[i], queue[i - 1]);
    }
  }

  void ReduceTiedEmbeddings() {
    if (!options_.communication.gradients) return;
    for (const Chain& chain : ChainsOf(layout_)) {
      if (!cost_.model().is_llm(chain.module) || !Included(chain.stages.front())) continue;
      const int last = chain.stages.back();
      const auto embeds = [&](int s) { return StageAt(s).parts.back().has_input && IsLlm(StageAt(s).parts.back()); };
      const int first = *std::find_if(chain.stages.begin(), chain.stages.end(), embeds);
      Communication communication = TiedEmbeddingReduction(cost_, layout_, first, last);
      if (communication.flows.empty()) continue;
      const int tied = AddCommunication({.kind = OpKind::kGradientReduction, .stage = first, .to_stage = last},
                                        std::move(communication));
      for (const int s : {first, last}) {
        if (reduced_[Index(s)] == kNone) {
          NeedLastOf(tied, s);
        } else {
          Need(tied, reduced_[Index(s)]);
        }
        reduced_[Index(s)] = tied;
      }
    }
  }
  bool IsLlm(const ModulePart& part) const { return cost_.model().is_llm(part.module); }

  void StepOptimizer(const std::vector<int>& replicas) {
    std::vector<int> stepped;
    for (const int s : replicas) {
      const int step = Add({.kind = OpKind::kOptimizerStep,
                            .stage = s,
                            .queue = StageAt(s).group,
                            .duration = costs_.optimizer[Index(s)]});
      for (const int other : stages_of_group_[Index(StageAt(s).group)]) {
        if (reduced_[Index(other)] != kNone) Need(step, reduced_[Index(other)]);
      }
      stepped.push_back(step);
    }
    if (!Coupled(replicas) || !cost_.software().distributed_optimizer) return;
    const int gathered = AddCommunication(
        {.kind = OpKind::kParameterGather, .stage = replicas.front(), .of_all_replicas = true},
        options_.communication.parameters ? ParameterGather(cost_, layout_, replicas) : Communication{});
    for (const int step : stepped) Need(gathered, step);
    AfterOthersOf(gathered, replicas.front());
  }

  /// `waiting` starts after the last operation of the device that holds stage `s`.
  void NeedLastOf(int waiting, int s) { Need(waiting, graph_.queues[Index(StageAt(s).group)].back()); }

  /// Stages that share their devices send the collectives of the step's end one after the other.
  void AfterOthersOf(int collective, int s) {
    const auto [entry, is_first] = last_collective_.try_emplace(StageAt(s).group, collective);
    if (!is_first) Need(collective, std::exchange(entry->second, collective));
  }

  void Compress() {
    auto& begin = graph_.dependency_begin;
    begin.assign(graph_.operations.size() + 1, 0);
    for (const auto& [waiting, needed] : edges_) ++begin[Index(waiting) + 1];
    for (std::size_t i = 1; i < begin.size(); ++i) begin[i] += begin[i - 1];
    graph_.dependencies.resize(edges_.size());
    std::vector<std::int32_t> next(begin.begin(), begin.end() - 1);
    for (const auto& [waiting, needed] : edges_) graph_.dependencies[Index(next[Index(waiting)]++)] = needed;
  }

  const CostModel& cost_;
  const Layout& layout_;
  const std::vector<DeviceOrder>& orders_;
  const StepWork& work_;
  const StepCosts& costs_;
  const GraphOptions& options_;
  OperationGraph graph_;
  std::vector<std::vector<int>> stages_of_group_;
  std::vector<int> forward_, backward_, weight_;  ///< operation by (stage, microbatch)
  std::map<int, int> last_collective_;            ///< by device group, where stages share it
  std::unordered_map<int, int> beside_;           ///< operation → communication that may start with it
  std::vector<int> reduced_;                      ///< operation by stage that its optimizer step waits for
  std::vector<std::pair<std::int32_t, std::int32_t>> edges_;
};

}  // namespace

OperationGraph BuildGraph(const Job& job, const StepWork& work, const StepCosts& costs, const GraphOptions& options) {
  return GraphBuilder(job, work, costs, options).Build();
}

}  // namespace dflop
