// list: orders made for microbatches of unequal cost, which may overtake each other, under a memory limit.
//
// List scheduling (policies/pipeline_search/list_orders.hpp) under several rules of priority: by how many forwards a
// device may be ahead (1f1b's, eager, zb-h2's, as many as fit), forwards or backwards first, microbatches in their
// order, the longest or the shortest first, or by the longest way to the end of the step (the critical path, Hu, 1961).
// The best rule's order of microbatches is then searched further, two places swapped or one moved at a time; the budget
// counts schedules, so that the answer is deterministic. 1f1b is among the candidates wherever it keeps the limit: no
// answer is longer.
#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "base/random.hpp"
#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"
#include "policies/pipeline_search/list_orders.hpp"
#include "policies/pipeline_search/schedule_memory.hpp"

namespace dflop {
namespace {

constexpr int kEvaluations = 400;
constexpr int kMostEvaluations = 100'000'000;
/// A search stops there in any case, so that large pipelines take about as long as small ones.
constexpr std::int64_t kMostPlaced = 4'000'000;

struct ListOptions {
  std::optional<double> memory{};
  bool splits = false;
  int evaluations = kEvaluations;
};

/// Places in ascending order of a figure.
template <typename Figure>
std::vector<int> RanksBy(int microbatches, const Figure& figure) {
  std::vector<int> turns(Index(microbatches)), ranks(turns.size());
  std::iota(turns.begin(), turns.end(), 0);
  std::stable_sort(turns.begin(), turns.end(), [&](int a, int b) { return figure(a) < figure(b); });
  for (std::size_t place = 0; place < turns.size(); ++place) ranks[Index(turns[place])] = static_cast<int>(place);
  return ranks;
}

class ListCandidates {
 public:
  ListCandidates(const ScheduleProblem& problem, const ListOptions& options, double limit)
      : problem_(problem), options_(options), limit_(limit) {}

  ListRule Best() {
    for (const std::vector<int>& ahead : Aheads()) {
      for (const bool forward_first : {false, true}) {
        for (const bool fills : {false, true}) {
          if (!fills || options_.splits) Try({ahead, {}, {}, options_.splits, forward_first, fills});
        }
      }
    }
    if (problem_.times.empty()) return best_;
    const ListRule in_order = best_;
    for (const auto& ranks : {ByWork(1), ByWork(-1)}) TryRanks(in_order, {ranks}, {ranks});
    TryRanks(in_order, TailsOfForwards(), TailsOfBackwards());
    Search();
    return best_;
  }

 private:
  /// As many as 1f1b, one more, as many as zb-h2, and as many as memory has room for.
  std::vector<std::vector<int>> Aheads() const {
    std::vector<std::vector<int>> aheads(4);
    for (int d = 0; d < problem_.devices; ++d) {
      const int later = problem_.devices - 1 - d;
      aheads[0].push_back(later + 1);
      aheads[1].push_back(later + 2);
      aheads[2].push_back(2 * later + 1);
    }
    return aheads;
  }

  std::vector<int> ByWork(int sign) const {
    return RanksBy(problem_.microbatches, [&](int k) {
      Seconds work{0};
      for (int d = 0; d < problem_.devices; ++d) work += problem_.At(d, k).forward + problem_.At(d, k).backward();
      return sign * work.value();
    });
  }
  Seconds WayBack(int d, int k) const {
    Seconds way{0};
    for (int i = 0; i <= d; ++i) way += problem_.At(i, k).backward_input;
    return way + problem_.At(0, k).backward_weight;
  }
  std::vector<std::vector<int>> TailsOfForwards() const {
    std::vector<std::vector<int>> ranks;
    ranks.reserve(Index(problem_.devices));
    for (int d = 0; d < problem_.devices; ++d) {
      ranks.push_back(RanksBy(problem_.microbatches, [&](int k) {
        Seconds way = WayBack(problem_.devices - 1, k);
        for (int i = d; i < problem_.devices; ++i) way += problem_.At(i, k).forward;
        return -way.value();
      }));
    }
    return ranks;
  }
  std::vector<std::vector<int>> TailsOfBackwards() const {
    std::vector<std::vector<int>> ranks;
    ranks.reserve(Index(problem_.devices));
    for (int d = 0; d < problem_.devices; ++d) {
      ranks.push_back(RanksBy(problem_.microbatches, [&](int k) { return -WayBack(d, k).value(); }));
    }
    return ranks;
  }

  bool Try(const ListRule& rule) {
    ++tried_;
    const Seconds makespan = ListMakespan(problem_, rule, limit_);
    const bool better = tried_ == 1 || makespan < least_;
    if (!better) return false;
    least_ = makespan;
    best_ = rule;
    return true;
  }
  void TryRanks(ListRule rule, std::vector<std::vector<int>> forward, std::vector<std::vector<int>> backward) {
    rule.forward_ranks = std::move(forward);
    Try(rule);  // backwards as they come
    rule.backward_ranks = std::move(backward);
    Try(rule);
  }

  void Search() {
    const int m = problem_.microbatches;
    const std::int64_t per_schedule = std::int64_t{problem_.devices} * m;
    const std::int64_t budget = std::min<std::int64_t>(options_.evaluations, kMostPlaced / per_schedule);
    if (m < 2) return;
    RandomStream random(1, "list schedule");
    std::vector<int> turns(Index(m));
    std::iota(turns.begin(), turns.end(), 0);
    if (best_.forward_ranks.size() == 1) {
      std::sort(turns.begin(), turns.end(),
                [&, ranks = best_.forward_ranks.front()](int a, int b) { return ranks[Index(a)] < ranks[Index(b)]; });
    }
    for (std::int64_t i = 0; i < budget; ++i) {
      std::vector<int> moved = turns;
      const std::size_t from = random.Below(moved.size()), to = random.Below(moved.size());
      if (from == to) continue;
      if (i % 2 == 0) std::swap(moved[from], moved[to]);
      if (i % 2 == 1) Shift(moved, from, to);
      if (TryTurns(moved)) turns = std::move(moved);
    }
  }
  static void Shift(std::vector<int>& turns, std::size_t from, std::size_t to) {
    const auto at = [&](std::size_t place) { return turns.begin() + static_cast<std::ptrdiff_t>(place); };
    if (from < to) std::rotate(at(from), at(from + 1), at(to + 1));
    if (from > to) std::rotate(at(to), at(from), at(from + 1));
  }
  bool TryTurns(const std::vector<int>& turns) {
    std::vector<int> ranks(turns.size());
    for (std::size_t place = 0; place < turns.size(); ++place) ranks[Index(turns[place])] = static_cast<int>(place);
    ListRule rule = best_;
    rule.forward_ranks = {ranks};
    rule.backward_ranks = {std::move(ranks)};
    return Try(rule);
  }

  const ScheduleProblem& problem_;
  const ListOptions& options_;
  double limit_;
  int tried_ = 0;
  Seconds least_{0};
  ListRule best_;
};

class ListSchedule final : public PipelineSchedule {
 public:
  explicit ListSchedule(const ListOptions& options)
      : options_(options),
        one_f_one_b_(Registry<PipelineSchedule>::Instance().Make(JsonReader(Json("1f1b"), "list"))) {}

  bool per_step() const override { return true; }

  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    const double limit = LimitOf(problem, options_.memory);
    std::vector<DeviceOrder> listed =
        ListOrders(problem, ListCandidates(problem, options_, limit).Best(), limit).orders;
    std::vector<DeviceOrder> plain = one_f_one_b_->Orders(problem);
    const TimedOrders of_plain = RunOrders(plain, problem);
    const bool keeps = Excess(of_plain, limit) == 0;
    return keeps && of_plain.makespan <= RunOrders(listed, problem).makespan ? plain : listed;
  }

 private:
  ListOptions options_;
  std::unique_ptr<PipelineSchedule> one_f_one_b_;
};

const Registration<PipelineSchedule> kList{
    {"list",
     "list scheduling of unequal microbatches, out of their order, under a memory limit; never longer than 1f1b",
     {MemoryParameter(),
      {.name = "split",
       .type = Parameter::Flag{},
       .standard = false,
       .help = "backwards in two halves, the weights' where a device would wait"},
      {.name = "evaluations",
       .type = Parameter::Integer{0, kMostEvaluations},
       .standard = kEvaluations,
       .unit = "schedules",
       .help = "of the search over the order of microbatches, fewer in large pipelines"}}},
    [](const Parameters& given) {
      return std::make_unique<ListSchedule>(
          ListOptions{MemoryOf(given), given.Flag("split"), static_cast<int>(given.Int("evaluations"))});
    }};

}  // namespace
}  // namespace dflop
