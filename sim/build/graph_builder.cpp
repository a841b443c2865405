// Plan → operations. Each paragraph of GraphBuilder adds one kind of operation and the dependencies it brings.
//
// Assumptions, stated once: transfers run beside computation (asynchronous sends and receives) unless the communicator
// between encoders and LLM or software.blocking_sends says otherwise, the gradient reduction of a stage starts when all
// its replicas have finished (overlapped: a bucket, when all have made its gradients), and the step ends when every
// replica has its new weights, or with overlap_parameters what they are gathered from. A device that blocks in its last
// send has not finished before that is over (step_end.hpp).
#include "sim/build/graph_builder.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <span>
#include <unordered_map>
#include <utility>

#include "base/error.hpp"
#include "base/index.hpp"
#include "sim/build/communicator.hpp"
#include "sim/build/graph_draft.hpp"
#include "sim/build/parameter_streams.hpp"
#include "sim/build/shared_cuts.hpp"
#include "sim/build/stage_boundary.hpp"
#include "sim/build/step_end.hpp"

namespace dflop {
namespace {

class GraphBuilder {
 public:
  GraphBuilder(const Job& job, const StepWork& work, const StepCosts& costs, const GraphOptions& options)
      : job_(job), draft_(job, work, costs, options), orders_(job.orders), row_(job.layout.stages.size()) {
    std::size_t rows = 1;
    for (int s = 0; s < draft_.StageCount(); ++s) {
      if (draft_.Included(s)) row_[Index(s)] = rows++;
    }
    for (auto& table : {&forward_, &backward_, &weight_}) table->assign(rows * Index(job.layout.units()), kNone);
    at_home_ = DefersAtHome();
    own_.resize(Index(job.layout.units()));
    std::iota(own_.begin(), own_.end(), 0);
    for (const Stage& stage : job.layout.stages) {
      units_.push_back(static_cast<int>(GatheredUnits(job.cost, job.layout, stage).size()));
    }
  }

  OperationGraph Build() {
    for (int group = 0; group < draft_.graph.groups; ++group) AddDeviceOrder(group);
    LinkPasses();
    for (const Chain& chain : ChainsOf(draft_.layout)) {
      if (draft_.Included(chain.stages.front())) AddChain(chain);
    }
    if (draft_.layout.joins()) JoinEncoders();
    if (Exchanges()) ExchangeTiles();
    if (draft_.options.couple_replicas && draft_.options.only_replica == kNone) MeetInExperts();
    AddParameterStreams(draft_);
    AddStepEnd(draft_);
    return draft_.Finish();
  }

 private:
  std::size_t Cell(int s, int k) const { return row_[Index(s)] * Index(draft_.layout.units()) + Index(k); }

  void AddDeviceOrder(int group) {
    if (draft_.StagesOf(group).empty()) return;  // of a replica that is left out
    const std::vector<int>& stages = draft_.ChunksOf(group);
    const DeviceOrder& order = orders_[Index(group)];
    for (std::size_t place = 0; place < order.size(); ++place) {
      const bool is_pair = order[place].pair > 0 && place + 1 < order.size() && Runs(order[place], stages) &&
                           Runs(order[place + 1], stages);
      if (is_pair) {
        AddPair(order[place], order[place + 1], group);
        ++place;
      } else if (Runs(order[place], stages)) {
        Remember(order[place], stages, AddPass(order[place], group, 1));
      }
    }
  }

  bool Runs(const ScheduledOp& op, const std::vector<int>& stages) const {
    const int s = stages[Index(op.chunk)];
    return draft_.Included(s) && (op.kind == OpKind::kForward || draft_.costs.needs_backward[Index(s)]);
  }

  /// What waits for either half waits for the second, what either half waits for holds up the first.
  void AddPair(const ScheduledOp& forward, const ScheduledOp& backward, int group) {
    const std::vector<int>& stages = draft_.ChunksOf(group);
    const int first = FirstOf(AddPass(forward, group, forward.pair));
    const int last = AddPass(backward, group, forward.pair);
    first_of_pair_[last] = first;
    Remember(forward, stages, last);
    Remember(backward, stages, last);
  }

  /// Returns its last operation.
  int AddPass(const ScheduledOp& op, int group, double share) {
    const int s = draft_.ChunksOf(group)[Index(op.chunk)];
    const Operation operation{.kind = op.kind, .stage = s, .microbatch = op.microbatch, .queue = group};
    return units_[Index(s)] > 0 ? AddUnits(operation, share) : AddWhole(operation, share);
  }

  int AddWhole(const Operation& operation, double share) {
    const int id = draft_.Add(operation, DurationOf(operation, draft_.costs));
    draft_.TakeShare(id, share);
    const auto parts = draft_.costs.parts.find({operation.stage, operation.microbatch, operation.kind});
    if (parts != draft_.costs.parts.end()) draft_.RunInParts(id, parts->second);
    return id;
  }

  /// One operation after the other; the backward begins with the last unit. Returns the last one.
  int AddUnits(Operation operation, double share) {
    const int count = units_[Index(operation.stage)];
    int last = kNone;
    for (int i = 0; i < count; ++i) {
      operation.unit = static_cast<std::int16_t>(operation.kind == OpKind::kForward ? i : count - 1 - i);
      last = draft_.Add(operation, DurationOf(operation, draft_.costs));
      draft_.TakeShare(last, share);
    }
    return last;
  }

  /// The first operation of a pass, or of the pair that it is half of, of which `last` is the last one.
  int FirstOf(int last) const {
    if (last == kNone) return kNone;
    if (const auto pair = first_of_pair_.find(last); pair != first_of_pair_.end()) return pair->second;
    return last - std::max(0, units_[Index(draft_.graph.operations[Index(last)].stage)] - 1);
  }

  void Remember(const ScheduledOp& op, const std::vector<int>& stages, int id) {
    auto& table = op.kind == OpKind::kForward ? forward_ : GivesInputGradient(op.kind) ? backward_ : weight_;
    int& known = table[Cell(stages[Index(op.chunk)], op.microbatch)];
    DFLOP_CHECK(known == kNone, "a schedule runs one operation twice");
    known = id;
  }

  /// Once all are known: an order that runs a backward before its forward is a deadlock that somebody wants to be told.
  void LinkPasses() {
    for (std::size_t cell = 0; cell < forward_.size(); ++cell) {
      if (backward_[cell] != kNone) draft_.Need(FirstOf(backward_[cell]), forward_[cell]);
      if (weight_[cell] != kNone) draft_.Need(FirstOf(weight_[cell]), backward_[cell]);
    }
  }

  void AddChain(const Chain& chain) {
    for (std::size_t i = 0; i + 1 < chain.stages.size(); ++i) {
      if (Exchanges() && EndsEncoders(chain.stages[i])) continue;
      AddBoundary(chain.stages[i], chain.stages[i + 1]);
    }
  }

  /// Messages over one boundary go the same two ways.
  void AddBoundary(int first, int second) {
    const StageBoundary boundary(job_, draft_.work, first, second);
    const bool moves = draft_.options.communication.stages && boundary.moves();
    Way there, back;
    if (moves) there = draft_.graph.communications.AddWay(boundary.Forward().flows());
    if (moves) back = draft_.graph.communications.AddWay(boundary.Backward().flows());
    for (int k = 0; k < draft_.layout.units(); ++k) {
      for (const bool backward : {false, true}) {
        const int from = backward ? second : first;
        const int to = backward ? first : second;
        const std::vector<int>& table = backward ? backward_ : forward_;
        const int producer = table[Cell(from, k)];
        const int consumer = FirstOf(table[Cell(to, k)]);
        if (producer == kNone || consumer == kNone) continue;  // no gradient flows there
        if (!moves) {
          draft_.Need(consumer, producer);
          continue;
        }
        const int sent = draft_.AddMessage({.kind = OpKind::kTransfer, .stage = from, .to_stage = to, .microbatch = k},
                                           backward ? boundary.Backward() : boundary.Forward(), backward ? back : there,
                                           boundary.BytesOf(k, backward));
        const bool blocks = draft_.cost.software().blocking_sends;
        Send(producer, sent, blocks);
        Receive(consumer, sent, blocks);
      }
    }
  }

  /// The encoders' microbatches that LLM microbatch k waits for forward, and that wait for it backward, ascending.
  std::span<const int> EncodedIn(int k) const {
    if (draft_.work.encoded_in.empty()) return {&own_[Index(k)], 1};
    return draft_.work.encoded_in[Index(k)];
  }

  /// Encoders with devices of their own: every LLM replica's microbatch k waits for the encoders' union k, and the
  /// encoders' backward k for all LLM replicas; where samples are deferred, for all microbatches that hold its samples.
  void JoinEncoders() {
    std::vector<Chain> encoders;
    std::vector<Chain> llms;
    for (Chain& chain : ChainsOf(draft_.layout)) {
      if (!draft_.Included(chain.stages.front())) continue;
      (draft_.cost.model().is_llm(chain.module) ? llms : encoders).push_back(std::move(chain));
    }
    const Communicate join(draft_.cost, draft_.layout);
    if (draft_.layout.communicator.hub() && draft_.options.communication.encoder_llm) {
      // Every encoder has a hub of its own, whose sends forward and backward go one message at a time.
      draft_.graph.queues.resize(draft_.graph.queues.size() + 2 * draft_.cost.model().encoders.size());
    }
    // A hub sends in the order in which the first LLM stage runs, otherwise it would hold up what is wanted first.
    for (const ScheduledOp& op : orders_[Index(draft_.StageAt(llms.front().stages.front()).group)]) {
      if (op.chunk != 0) continue;
      if (op.kind == OpKind::kForward) JoinForward(encoders, llms, op.microbatch, join);
      if (GivesInputGradient(op.kind)) JoinBackward(encoders, llms, op.microbatch, join);
    }
  }

  int HubQueue(int encoder, bool forward) const {
    if (!draft_.layout.communicator.hub() || !draft_.options.communication.encoder_llm) return kNone;
    return draft_.graph.groups + 2 * encoder + (forward ? 0 : 1);
  }

  void JoinForward(const std::vector<Chain>& encoders, const std::vector<Chain>& llms, int k, const Communicate& join) {
    for (int e = 0; e < draft_.cost.model().llm_module(); ++e) {
      const int last = EncoderEnds(encoders, e).front();
      const Bytes bytes = UnionBytes(e, k);
      const int gathered = draft_.AddCommunication(
          {.kind = OpKind::kTransfer, .stage = last, .to_stage = last, .microbatch = k, .of_all_replicas = true},
          Moves(join.Gather(e, bytes)));
      for (const Chain& chain : encoders) {
        if (chain.module != e) continue;
        for (const int j : EncodedIn(k)) draft_.Need(gathered, forward_[Cell(chain.stages.back(), j)]);
        if (Blocks()) HoldAfter(forward_[Cell(chain.stages.back(), EncodedIn(k).back())], gathered);
      }
      for (const Chain& llm : llms) {
        const int first = llm.stages.front();
        const int sent = draft_.AddCommunication(
            {.kind = OpKind::kTransfer, .stage = last, .to_stage = first, .microbatch = k, .queue = HubQueue(e, true)},
            Moves(join.Send(e, llm.replica, ReplicaBytes(e, llm.replica, k))));
        draft_.Need(sent, gathered);
        for (const int s : EncoderEnds(encoders, e)) {
          if (Blocks()) HoldAfter(forward_[Cell(s, EncodedIn(k).back())], sent);
        }
        Receive(FirstOf(forward_[Cell(first, k)]), sent, Blocks());
      }
    }
  }

  void JoinBackward(const std::vector<Chain>& encoders, const std::vector<Chain>& llms, int k,
                    const Communicate& join) {
    for (int e = 0; e < draft_.cost.model().llm_module(); ++e) {
      const int last = EncoderEnds(encoders, e).front();
      if (!draft_.costs.needs_backward[Index(last)]) continue;
      const Bytes bytes = UnionBytes(e, k);
      const int scattered = draft_.AddCommunication(
          {.kind = OpKind::kTransfer, .stage = last, .to_stage = last, .microbatch = k, .of_all_replicas = true},
          Moves(join.Scatter(e, bytes)));
      for (const Chain& llm : llms) {
        const int first = llm.stages.front();
        const int sent = draft_.AddCommunication(
            {.kind = OpKind::kTransfer, .stage = first, .to_stage = last, .microbatch = k, .queue = HubQueue(e, false)},
            Moves(join.Return(e, llm.replica, ReplicaBytes(e, llm.replica, k))));
        Send(backward_[Cell(first, k)], sent, Blocks());
        for (const int s : EncoderEnds(encoders, e)) {
          if (Blocks()) ArriveBefore(FirstOf(backward_[Cell(s, EncodedIn(k).front())]), sent);
        }
        draft_.Need(scattered, sent);
      }
      for (const Chain& chain : encoders) {
        if (chain.module != e) continue;
        for (const int j : EncodedIn(k)) draft_.Need(FirstOf(backward_[Cell(chain.stages.back(), j)]), scattered);
        if (Blocks()) ArriveBefore(FirstOf(backward_[Cell(chain.stages.back(), EncodedIn(k).front())]), scattered);
      }
    }
  }

  Communication Moves(Communication communication) const {
    return draft_.options.communication.encoder_llm ? std::move(communication) : Communication{};
  }

  // Messages that block, of the communicator or between stages: a message waits for both ends, and neither computes
  // while it lasts. What a device sends and receives between two of its operations goes together, as in one batch of
  // sends and receives.
  bool Blocks() const { return draft_.layout.communicator.blocking && draft_.options.communication.encoder_llm; }
  void Send(int producer, int message, bool blocks) {
    draft_.Need(message, producer);
    if (blocks) HoldAfter(producer, message);
  }
  void Receive(int consumer, int message, bool blocks) {
    draft_.Need(consumer, message);
    if (blocks) ArriveBefore(consumer, message);
  }
  /// The device that has run `operation` does not go on before the message is over.
  void HoldAfter(int operation, int message) {
    if (FollowOnDevice(operation, operation + 1)) return draft_.Need(operation + 1, message);
    draft_.HoldStepEnd(draft_.graph.operations[Index(operation)].queue, message);
  }
  /// The message does not begin before the device that runs `operation` next is there.
  void ArriveBefore(int operation, int message) {
    if (FollowOnDevice(operation - 1, operation)) draft_.Need(message, operation - 1);
  }
  /// The orders of the devices were added one after the other: neighbours in a queue are neighbours in number.
  bool FollowOnDevice(int first, int second) const {
    if (first < 0 || second >= static_cast<int>(draft_.graph.operations.size())) return false;
    const int queue = draft_.graph.operations[Index(first)].queue;
    return queue != kNone && queue == draft_.graph.operations[Index(second)].queue;
  }

  /// Stages that messages to and from the LLM end at: the hub's, or directly those of all replicas.
  std::vector<int> EncoderEnds(const std::vector<Chain>& encoders, int module) const {
    std::vector<int> ends;
    for (const Chain& chain : encoders) {
      if (chain.module == module && (ends.empty() || !draft_.layout.communicator.hub()))
        ends.push_back(chain.stages.back());
    }
    return ends;
  }

  /// Projected output of the tiles in microbatch k of one LLM replica.
  Bytes ReplicaBytes(int e, int replica, int k) const {
    return draft_.cost.ProjectedBytes(e, static_cast<double>(draft_.work.tiles[Index(e)][Index(replica)][Index(k)]));
  }
  /// The same over all LLM replicas.
  Bytes UnionBytes(int e, int k) const {
    double tiles = 0;
    for (const auto& replica : draft_.work.tiles[Index(e)]) tiles += static_cast<double>(replica[Index(k)]);
    return draft_.cost.ProjectedBytes(e, tiles);
  }

  /// Replicas of a homogeneous layout encode for each other.
  bool Exchanges() const { return !draft_.work.routes.empty(); }
  /// Samples are deferred to a later microbatch of the replica that encodes them: nobody waits for another replica.
  bool DefersAtHome() const {
    const auto stays = [](const std::vector<TileRoute>& routes) {
      return std::all_of(routes.begin(), routes.end(), [](const TileRoute& route) { return route.from == route.to; });
    };
    const auto all_stay = [&](const auto& encoder) { return std::all_of(encoder.begin(), encoder.end(), stays); };
    const auto& routes = draft_.work.routes;
    return !draft_.work.encoded_in.empty() && std::all_of(routes.begin(), routes.end(), all_stay);
  }
  bool EndsEncoders(int s) const {
    return draft_.StageAt(s).parts.front().has_output && !draft_.IsLlm(draft_.StageAt(s).parts.front());
  }

  /// One all-to-all per microbatch between encoders and LLM, and one back: it starts when every replica has its part,
  /// and nobody goes on before it ends. Replicas that are uncoupled take their own.
  void ExchangeTiles() {
    std::vector<int> encoders;  // the last stages with one; the first LLM stage of the replica follows
    for (int s = 0; s < draft_.StageCount(); ++s) {
      if (draft_.Included(s) && EndsEncoders(s)) encoders.push_back(s);
    }
    const TileExchange exchange(draft_.cost, draft_.layout);
    const bool together = draft_.options.couple_replicas && draft_.options.only_replica == kNone;
    for (int k = 0; k < draft_.layout.units(); ++k) {
      for (const bool backward : {false, true}) {
        if (backward && !draft_.costs.needs_backward[Index(encoders.front())]) continue;
        if (at_home_) {
          for (const int s : encoders) {
            Exchange({s}, k, backward, Moves(exchange.Own(draft_.work, k, backward, draft_.StageAt(s).replica)));
          }
        } else if (together) {
          Exchange(encoders, k, backward, Moves(exchange.AllToAll(draft_.work, k, backward)));
        } else {
          for (const int s : encoders) Exchange({s}, k, backward, {});
        }
      }
    }
  }

  void Exchange(const std::vector<int>& encoders, int k, bool backward, const Communication& all_to_all) {
    const int encoder = encoders.front();
    const int from = backward ? encoder + 1 : encoder;
    const int to = backward ? encoder : encoder + 1;
    const int exchanged = draft_.AddCommunication(
        {.kind = OpKind::kTransfer, .stage = from, .to_stage = to, .microbatch = k, .of_all_replicas = !at_home_},
        all_to_all);
    const std::vector<int>& table = backward ? backward_ : forward_;
    for (const int s : encoders) {
      if (backward) draft_.Need(exchanged, table[Cell(s + 1, k)]);
      for (const int j : EncodedIn(k)) {
        if (backward) draft_.Need(FirstOf(table[Cell(s, j)]), exchanged);
        if (!backward) draft_.Need(exchanged, table[Cell(s, j)]);
      }
      if (!backward) draft_.Need(FirstOf(table[Cell(s + 1, k)]), exchanged);
    }
  }

  /// Replicas whose tokens travel to the same experts run in step: none goes on before all have run a microbatch, whose
  /// layers meet one by one.
  void MeetInExperts() {
    std::map<std::pair<int, int>, std::vector<int>> groups;  // stages by depth and place among the replicas
    for (int s = 0; s < draft_.StageCount(); ++s) {
      const int together = ReplicasOfExperts(draft_.StageAt(s).parts.front());
      if (together == 1 || !draft_.Included(s)) continue;
      groups[{draft_.StageAt(s).depth, draft_.StageAt(s).replica / together}].push_back(s);
    }
    for (const auto& [place, stages] : groups) {
      if (stages.size() == 1) continue;  // another one stands for the rest
      for (const std::vector<int>* table : {&forward_, &backward_}) {
        for (int k = 0; k < draft_.layout.units(); ++k) Meet(stages, *table, k);
      }
    }
  }

  void Meet(const std::vector<int>& stages, const std::vector<int>& table, int k) {
    if (table[Cell(stages.front(), k)] == kNone) return;
    const int met = draft_.AddCommunication(
        {.kind = OpKind::kTransfer, .stage = stages.front(), .to_stage = stages.front(), .of_all_replicas = true}, {});
    for (const int s : stages) {
      const int ran = table[Cell(s, k)];
      draft_.Need(met, ran);
      HoldAfter(ran, met);
    }
  }

  const Job& job_;
  GraphDraft draft_;
  const std::vector<DeviceOrder>& orders_;
  std::vector<std::size_t> row_;                  ///< [stage] of the tables; all that are left out share the first
  std::vector<int> forward_, backward_, weight_;  ///< the last operation of a pass by (stage, microbatch)
  std::unordered_map<int, int> first_of_pair_;    ///< by the pair's last operation
  bool at_home_ = false;
  std::vector<int> own_;    ///< 0, 1, …: of every microbatch itself
  std::vector<int> units_;  ///< [stage]: that a pass runs one after the other; 0: it is whole
};

}  // namespace

OperationGraph BuildGraph(const Job& job, const StepWork& work, const StepCosts& costs, const GraphOptions& options) {
  OperationGraph graph = GraphBuilder(job, work, costs, options).Build();
  ShareCuts(job.cost.cluster(), graph);
  return graph;
}

}  // namespace dflop
