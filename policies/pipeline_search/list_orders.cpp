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

/// A microbatch by what it is sorted by: when it comes, or its rank.
template <typename Key>
using Entry = std::pair<Key, int>;
/// The least first.
template <typename Key>
using LeastFirst = std::priority_queue<Entry<Key>, std::vector<Entry<Key>>, std::greater<>>;

/// Microbatches of one kind on one device: on their way, or there.
struct Inbox {
  LeastFirst<double> coming{};
  LeastFirst<int> there{};

  double next() const { return coming.empty() ? kNever : coming.top().first; }
  void Receive(double now, const std::vector<int>* ranks) {
    for (; !coming.empty() && coming.top().first <= now; coming.pop()) {
      const int microbatch = coming.top().second;
      there.emplace(ranks == nullptr ? microbatch : (*ranks)[Index(microbatch)], microbatch);
    }
  }
  int Take() {
    const int microbatch = there.top().second;
    there.pop();
    return microbatch;
  }
};

struct ListDevice {
  Inbox forwards{};
  Inbox backwards{};
  std::queue<int> weights{};
  double free = 0;
  double held = 0;
  int ahead = 0;  ///< forwards whose backward has not run
  int turn = 0;   ///< of its entry in the queue of decisions; older ones do not count
};

class ListRun {
 public:
  ListRun(const ScheduleProblem& problem, const ListRule& rule, double limit, bool records)
      : problem_(problem), rule_(rule), limit_(limit), records_(records), devices_(Index(problem.devices)) {
    if (records) orders_.resize(devices_.size());
    for (int k = 0; k < problem.microbatches; ++k) devices_.front().forwards.coming.emplace(0.0, k);
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

  static const std::vector<int>* RanksOf(const std::vector<std::vector<int>>& ranks, int d) {
    return ranks.empty() ? nullptr : &ranks[ranks.size() == 1 ? 0 : Index(d)];
  }
  bool MayForward(const ListDevice& device, int d) const {
    return (rule_.most_ahead.empty() || device.ahead < rule_.most_ahead[Index(d)]) &&
           Fits(device.held + problem_.Held(d), limit_);
  }

  /// Puts the device down for when it can do something next, as far as is known.
  void Await(int d) {
    ListDevice& device = devices_[Index(d)];
    ++device.turn;
    double time = device.backwards.there.empty() ? device.backwards.next() : 0;
    if (MayForward(device, d)) time = std::min(time, device.forwards.there.empty() ? device.forwards.next() : 0);
    if (!device.weights.empty()) time = 0;
    if (time < kNever) decisions_.push({std::max(time, device.free), d, device.turn});
  }

  void Decide(int d, double now) {
    ListDevice& device = devices_[Index(d)];
    device.forwards.Receive(now, RanksOf(rule_.forward_ranks, d));
    device.backwards.Receive(now, RanksOf(rule_.backward_ranks, d));
    const bool may_forward = MayForward(device, d);
    const bool forward = may_forward && !device.forwards.there.empty();
    const bool backward = !device.backwards.there.empty();
    if (forward && (rule_.forward_first || !backward)) return Forward(d, now);
    if (backward) return Backward(d, now);
    const double next = std::min(device.backwards.next(), may_forward ? device.forwards.next() : kNever);
    const double filled = now + problem_.At(d, device.weights.front()).backward_weight.value();
    const bool makes_room = !may_forward && !device.forwards.there.empty();
    if (rule_.fills || makes_room || filled <= next) return Weights(d, now);
    device.free = next;
    Await(d);
  }

  void Forward(int d, double now) {
    ListDevice& device = devices_[Index(d)];
    const int k = device.forwards.Take();
    device.held += problem_.Held(d);
    ++device.ahead;
    const double end = End(d, {OpKind::kForward, k}, now, problem_.At(d, k).forward);
    if (d + 1 == problem_.devices) {
      device.backwards.coming.emplace(end, k);
      return Await(d);
    }
    Await(d);
    devices_[Index(d + 1)].forwards.coming.emplace(end + problem_.Transfer(d, k).value(), k);
    Await(d + 1);
  }

  void Backward(int d, double now) {
    ListDevice& device = devices_[Index(d)];
    const int k = device.backwards.Take();
    const StageTimes times = problem_.At(d, k);
    --device.ahead;
    device.held -= problem_.Held(d) * (rule_.splits ? 1 - problem_.weight_share : 1);
    const OpKind kind = rule_.splits ? OpKind::kBackwardInput : OpKind::kBackward;
    const double end = End(d, {kind, k}, now, rule_.splits ? times.backward_input : times.backward());
    if (rule_.splits) device.weights.push(k);
    Await(d);
    if (d == 0) return;
    devices_[Index(d - 1)].backwards.coming.emplace(end + problem_.Transfer(d - 1, k).value(), k);
    Await(d - 1);
  }

  void Weights(int d, double now) {
    ListDevice& device = devices_[Index(d)];
    const int k = device.weights.front();
    device.weights.pop();
    device.held -= problem_.Held(d) * problem_.weight_share;
    End(d, {OpKind::kBackwardWeight, k}, now, problem_.At(d, k).backward_weight);
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
