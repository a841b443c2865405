// Devices decide in the order of time, so that whatever could run at a decision is known by then.
#include "policies/pipeline_search/list_orders.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <queue>
#include <utility>

#include "policies/pipeline_search/schedule_memory.hpp"

namespace dflop {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

/// A microbatch at a chunk: chunk · microbatches + microbatch.
using Item = int;
/// An item by what it is sorted by: when it comes, or its rank.
template <typename Key>
using Entry = std::pair<Key, Item>;
/// The least first.
template <typename Key>
using LeastFirst = std::priority_queue<Entry<Key>, std::vector<Entry<Key>>, std::greater<>>;

/// Items of one kind on one device: on their way, or there.
struct Inbox {
  LeastFirst<double> coming{};
  LeastFirst<int> there{};

  double next() const { return !there.empty() ? 0 : coming.empty() ? kNever : coming.top().first; }
  template <typename Rank>
  void Receive(double now, const Rank& rank) {
    for (; !coming.empty() && coming.top().first <= now; coming.pop()) {
      there.emplace(rank(coming.top().second), coming.top().second);
    }
  }
  Item Take() {
    const Item item = there.top().second;
    there.pop();
    return item;
  }
};

struct ListDevice {
  std::vector<Inbox> forwards{};  ///< [chunk]: which of them may go on differs
  Inbox backwards{};
  std::queue<Item> weights{};
  double free = 0;
  double held = 0;
  int ahead = 0;               ///< forwards whose backward has not run
  std::vector<int> reached{};  ///< [chunk]: microbatches on the way down of which it is the deepest that has begun
  int turn = 0;                ///< of its entry in the queue of decisions; older ones do not count
};

class ListRun {
 public:
  ListRun(const ScheduleProblem& problem, const ListRule& rule, double limit, bool records)
      : problem_(problem),
        rule_(rule),
        limit_(limit),
        records_(records),
        stages_(problem.StagesOfDevices()),
        devices_(Index(problem.devices)) {
    for (const std::vector<int>& stages : stages_) {
      std::vector<double>& deeper = deeper_.emplace_back(stages.size());
      for (std::size_t chunk = stages.size() - 1; chunk > 0; --chunk) {
        deeper[chunk - 1] = deeper[chunk] + problem.Held(stages[chunk]);
      }
    }
    if (records) orders_.resize(devices_.size());
    for (ListDevice& device : devices_) {
      device.forwards.resize(Index(problem.chunks));
      device.reached.resize(Index(problem.chunks));
    }
    for (int k = 0; k < problem.microbatches; ++k) devices_.front().forwards.front().coming.emplace(0.0, k);
    Await(0);
  }

  ListedOrders Run() {
    while (!decisions_.empty()) {
      const Decision decision = decisions_.top();
      decisions_.pop();
      if (decision.turn == devices_[Index(decision.device)].turn) Decide(decision.device, decision.time);
    }
    ListedOrders listed;
    for (std::vector<ScheduledOp>& order : orders_) listed.orders.emplace_back(std::move(order));
    listed.makespan = Seconds(last_end_);
    return listed;
  }

 private:
  struct Decision {
    double time;
    int device;
    int turn;
    bool operator>(const Decision& other) const {
      return time != other.time ? time > other.time : device > other.device;
    }
  };

  int ChunkOf(Item item) const { return item / problem_.microbatches; }
  int MicrobatchOf(Item item) const { return item % problem_.microbatches; }
  int StageOf(int d, Item item) const { return stages_[Index(d)][Index(ChunkOf(item))]; }
  /// Of what a stage of this device passes on to another stage.
  Item ItemAt(int stage, int k) const {
    const std::vector<int>& chunks = stages_[Index(problem_.placement[Index(stage)])];
    const auto chunk = std::lower_bound(chunks.begin(), chunks.end(), stage) - chunks.begin();
    return static_cast<int>(chunk) * problem_.microbatches + k;
  }
  Seconds Transfer(int from, int to, int k) const {
    return problem_.placement[Index(from)] == problem_.placement[Index(to)] ? Seconds(0)
                                                                            : problem_.Transfer(std::min(from, to), k);
  }

  int Rank(const std::vector<std::vector<int>>& ranks, int d, Item item) const {
    if (!ranks.empty()) return ranks[ranks.size() == 1 ? 0 : Index(d)][Index(item)];
    return (MicrobatchOf(item) + 1) * problem_.chunks - 1 - ChunkOf(item);
  }
  bool MayForward(const ListDevice& device, int d, int chunk) const {
    int deepest = rule_.keeps_room ? chunk : problem_.chunks - 1;
    while (deepest > chunk && device.reached[Index(deepest)] == 0) --deepest;
    const int rest = problem_.chunks - 1 - deepest;
    const double held = problem_.Held(stages_[Index(d)][Index(chunk)]) + deeper_[Index(d)][Index(deepest)];
    return (rule_.most_ahead.empty() || device.ahead + rest < std::max(rule_.most_ahead[Index(d)], problem_.chunks)) &&
           Fits(device.held + held, limit_);
  }
  /// When a forward may run, as far as is known; 0 where one is there.
  double NextForward(const ListDevice& device, int d) const {
    double next = kNever;
    for (int chunk = 0; chunk < problem_.chunks; ++chunk) {
      if (MayForward(device, d, chunk)) next = std::min(next, device.forwards[Index(chunk)].next());
    }
    return next;
  }

  /// Puts the device down for when it can do something next, as far as is known.
  void Await(int d) {
    ListDevice& device = devices_[Index(d)];
    ++device.turn;
    const double time = !device.weights.empty() ? 0 : std::min(device.backwards.next(), NextForward(device, d));
    if (time < kNever) decisions_.push({std::max(time, device.free), d, device.turn});
  }

  /// The best forward that is there and may run; nothing: null.
  Inbox* BestForward(ListDevice& device, int d) const {
    Inbox* best = nullptr;
    for (int chunk = 0; chunk < problem_.chunks; ++chunk) {
      Inbox& inbox = device.forwards[Index(chunk)];
      if (inbox.there.empty() || !MayForward(device, d, chunk)) continue;
      if (best == nullptr || inbox.there.top() < best->there.top()) best = &inbox;
    }
    return best;
  }

  void Decide(int d, double now) {
    ListDevice& device = devices_[Index(d)];
    bool forwards_there = false;
    for (Inbox& inbox : device.forwards) {
      inbox.Receive(now, [&](Item item) { return Rank(rule_.forward_ranks, d, item); });
      forwards_there = forwards_there || !inbox.there.empty();
    }
    device.backwards.Receive(now, [&](Item item) { return Rank(rule_.backward_ranks, d, item); });
    Inbox* const forward = BestForward(device, d);
    const bool backward = !device.backwards.there.empty();
    if (forward != nullptr && (rule_.forward_first || !backward)) return Forward(d, forward->Take(), now);
    if (backward) return Backward(d, now);
    const double next = std::min(device.backwards.next(), NextForward(device, d));
    const double filled = now + TimesOf(d, device.weights.front()).backward_weight.value();
    if (rule_.fills || forwards_there || filled <= next) return Weights(d, now);
    device.free = next;
    Await(d);
  }

  StageTimes TimesOf(int d, Item item) const { return problem_.At(StageOf(d, item), MicrobatchOf(item)); }
  ScheduledOp OpOf(OpKind kind, Item item) const { return {kind, MicrobatchOf(item), ChunkOf(item)}; }

  void Forward(int d, Item item, double now) {
    ListDevice& device = devices_[Index(d)];
    const int stage = StageOf(d, item), k = MicrobatchOf(item);
    device.held += problem_.Held(stage);
    ++device.ahead;
    ++device.reached[Index(ChunkOf(item))];
    if (ChunkOf(item) > 0) --device.reached[Index(ChunkOf(item) - 1)];
    const double end = End(d, OpOf(OpKind::kForward, item), now, problem_.At(stage, k).forward);
    if (stage + 1 == problem_.stages()) {
      device.backwards.coming.emplace(end, item);
      return Await(d);
    }
    Await(d);
    const int next = problem_.placement[Index(stage + 1)];
    const Item there = ItemAt(stage + 1, k);
    devices_[Index(next)].forwards[Index(ChunkOf(there))].coming.emplace(end + Transfer(stage, stage + 1, k).value(),
                                                                         there);
    Await(next);
  }

  void Backward(int d, double now) {
    ListDevice& device = devices_[Index(d)];
    const Item item = device.backwards.Take();
    const int stage = StageOf(d, item), k = MicrobatchOf(item);
    const StageTimes times = problem_.At(stage, k);
    --device.ahead;
    if (ChunkOf(item) + 1 == problem_.chunks) --device.reached.back();
    device.held -= problem_.Held(stage) * (rule_.splits ? 1 - problem_.weight_share : 1);
    const OpKind kind = rule_.splits ? OpKind::kBackwardInput : OpKind::kBackward;
    const double end = End(d, OpOf(kind, item), now, rule_.splits ? times.backward_input : times.backward());
    if (rule_.splits) device.weights.push(item);
    Await(d);
    if (stage == 0) return;
    const int next = problem_.placement[Index(stage - 1)];
    devices_[Index(next)].backwards.coming.emplace(end + Transfer(stage, stage - 1, k).value(), ItemAt(stage - 1, k));
    Await(next);
  }

  void Weights(int d, double now) {
    ListDevice& device = devices_[Index(d)];
    const Item item = device.weights.front();
    device.weights.pop();
    device.held -= problem_.Held(StageOf(d, item)) * problem_.weight_share;
    End(d, OpOf(OpKind::kBackwardWeight, item), now, TimesOf(d, item).backward_weight);
    Await(d);
  }

  double End(int d, const ScheduledOp& op, double now, Seconds time) {
    const double end = now + time.value();
    devices_[Index(d)].free = end;
    last_end_ = std::max(last_end_, end);
    if (records_) orders_[Index(d)].push_back(op);
    return end;
  }

  const ScheduleProblem& problem_;
  const ListRule& rule_;
  double limit_;
  bool records_;
  const std::vector<std::vector<int>> stages_;  ///< [device][chunk]
  std::vector<std::vector<double>> deeper_;     ///< [device][chunk]: one microbatch at each deeper chunk
  std::vector<ListDevice> devices_;
  std::priority_queue<Decision, std::vector<Decision>, std::greater<>> decisions_;
  std::vector<std::vector<ScheduledOp>> orders_;
  double last_end_ = 0;
};

}  // namespace

ListedOrders ListOrders(const ScheduleProblem& problem, const ListRule& rule, double limit) {
  return ListRun(problem, rule, limit, true).Run();
}

Seconds ListMakespan(const ScheduleProblem& problem, const ListRule& rule, double limit) {
  return ListRun(problem, rule, limit, false).Run().makespan;
}

}  // namespace dflop
