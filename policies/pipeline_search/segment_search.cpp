// First a set of drafts, then a tree whose leaves are completed by the best order known.
#include "policies/pipeline_search/segment_search.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <tuple>
#include <utility>

#include "base/index.hpp"
#include "base/random.hpp"

namespace dflop {
namespace {

/// A search stops there in any case, so that large pipelines take about as long as small ones.
constexpr std::int64_t kMostPlacedSegments = 4'000'000;
constexpr double kExploration = 0.5;  ///< of rewards from 0 to 1

/// A microbatch of one chunk: chunk · microbatches + microbatch.
using Segment = int;
using Sequence = std::vector<Segment>;

/// Judges sequences by the schedules that devices make of them.
class SegmentJudge {
 public:
  SegmentJudge(const ScheduleProblem& problem, double limit) : problem_(problem), limit_(limit) {}

  int count() const { return problem_.chunks * problem_.microbatches; }
  int ChunkOf(Segment segment) const { return segment / problem_.microbatches; }
  int MicrobatchOf(Segment segment) const { return segment % problem_.microbatches; }

  /// Work of all devices on it.
  double WorkOf(Segment segment) const {
    const int k = MicrobatchOf(segment);
    Seconds work{0};
    for (const std::vector<int>& stages : problem_.StagesOfDevices()) {
      const StageTimes times = problem_.At(stages[Index(ChunkOf(segment))], k);
      work += times.forward + times.backward();
    }
    return work.value();
  }

  std::vector<int> RanksOf(const Sequence& sequence) const {
    std::vector<int> ranks(sequence.size());
    for (std::size_t place = 0; place < sequence.size(); ++place) {
      ranks[Index(sequence[place])] = static_cast<int>(place);
    }
    return ranks;
  }

  /// The makespan; remembers the rule if it is the best so far.
  double Judge(const Sequence& sequence, ListRule rule) {
    rule.forward_ranks = {RanksOf(sequence)};
    const double makespan = ListMakespan(problem_, rule, limit_).value();
    if (makespan < least_) {
      least_ = makespan;
      rule_ = std::move(rule);
      best_ = sequence;
    }
    return makespan;
  }

  double least() const { return least_; }
  const Sequence& best() const { return best_; }
  const ListRule& rule() const { return rule_; }

 private:
  const ScheduleProblem& problem_;
  double limit_;
  double least_ = std::numeric_limits<double>::infinity();
  ListRule rule_;
  Sequence best_;
};

/// Orders that need no search, under every rule of the queues.
class SegmentDrafts {
 public:
  SegmentDrafts(const ScheduleProblem& problem, SegmentJudge& judge) : problem_(problem), judge_(judge) {}

  void Try() {
    for (const Sequence& sequence : Sequences()) {
      for (const bool deepest_backward : {false, true}) {
        for (const std::vector<int>& ahead : Aheads()) {
          for (const bool forward_first : {false, true}) {
            for (const bool keeps_room : {false, true}) {
              ListRule rule{.most_ahead = ahead, .forward_first = forward_first, .keeps_room = keeps_room};
              if (deepest_backward) rule.backward_ranks = {DeepestFirst(sequence)};
              judge_.Judge(sequence, rule);
            }
          }
        }
      }
    }
  }

 private:
  /// As many forwards ahead as 1f1b, as an interleaved pipeline, and as memory has room for.
  std::vector<std::vector<int>> Aheads() const {
    std::vector<std::vector<int>> aheads(3);
    for (int d = 0; d < problem_.devices; ++d) {
      const int later = problem_.devices - 1 - d;
      aheads[0].push_back(problem_.chunks * (later + 1));
      aheads[1].push_back(2 * later + (problem_.chunks - 1) * problem_.devices + 1);
    }
    return aheads;
  }

  template <typename Key>
  Sequence By(const Key& key) const {
    Sequence sequence(Index(judge_.count()));
    std::iota(sequence.begin(), sequence.end(), 0);
    std::stable_sort(sequence.begin(), sequence.end(), [&](Segment a, Segment b) { return key(a) < key(b); });
    return sequence;
  }
  /// A microbatch after the other, by a figure.
  template <typename Figure>
  Sequence ByMicrobatch(const Figure& figure) const {
    std::vector<double> of_microbatch;
    of_microbatch.reserve(Index(problem_.microbatches));
    for (int k = 0; k < problem_.microbatches; ++k) of_microbatch.push_back(figure(k));
    return By([&](Segment s) {
      return std::tuple(of_microbatch[Index(judge_.MicrobatchOf(s))], judge_.MicrobatchOf(s), -judge_.ChunkOf(s));
    });
  }
  double WorkAt(int chunk, int k) const { return judge_.WorkOf(chunk * problem_.microbatches + k); }

  std::vector<Sequence> Sequences() const {
    std::vector<Sequence> sequences;
    sequences.push_back(ByMicrobatch([](int) { return 0.0; }));
    sequences.push_back(By([&](Segment s) {  // in groups of as many as devices, as interleaved pipelines
      const int k = judge_.MicrobatchOf(s);
      return std::tuple(k / problem_.devices, judge_.ChunkOf(s), k);
    }));
    sequences.push_back(By([&](Segment s) { return std::tuple(judge_.ChunkOf(s), judge_.MicrobatchOf(s)); }));
    if (problem_.times.empty()) return sequences;
    const auto all = [&](int k) {
      double work = 0;
      for (int chunk = 0; chunk < problem_.chunks; ++chunk) work += WorkAt(chunk, k);
      return work;
    };
    sequences.push_back(ByMicrobatch(all));
    sequences.push_back(ByMicrobatch([&](int k) { return -all(k); }));
    // What keeps the later segments busy longest for the least of the first: Johnson's rule, roughly (1954).
    sequences.push_back(ByMicrobatch([&](int k) { return 2 * WorkAt(0, k) - all(k); }));
    return sequences;
  }

  /// Backwards of the deepest chunk before all others, in the order of the sequence: they have the longest way back.
  std::vector<int> DeepestFirst(const Sequence& sequence) const {
    Sequence sorted = sequence;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [&](Segment a, Segment b) { return judge_.ChunkOf(a) > judge_.ChunkOf(b); });
    return judge_.RanksOf(sorted);
  }

  const ScheduleProblem& problem_;
  SegmentJudge& judge_;
};

class SegmentTree {
 public:
  SegmentTree(const ScheduleProblem& problem, SegmentJudge& judge)
      : problem_(problem), judge_(judge), rule_(judge.rule()), random_(1, "dip schedule"), most_(judge.least()) {
    for (int chunk = 0; chunk < problem.chunks; ++chunk) {
      std::vector<Segment> turns(Index(problem.microbatches));
      std::iota(turns.begin(), turns.end(), chunk * problem.microbatches);
      std::vector<double> work;
      work.reserve(turns.size());
      for (const Segment segment : turns) work.push_back(judge.WorkOf(segment));
      const auto of = [&](Segment segment) { return work[Index(judge.MicrobatchOf(segment))]; };
      turns_.push_back(turns);
      std::stable_sort(turns.begin(), turns.end(), [&](Segment a, Segment b) { return of(a) < of(b); });
      turns_.push_back(turns);
      std::reverse(turns.begin(), turns.end());
      turns_.push_back(turns);
    }
  }

  void Search(std::int64_t budget) {
    for (std::int64_t i = 0; i < budget; ++i) {
      if (i % 2 == 0) {
        Play();
      } else {
        Judge(Moved(judge_.best(), 0));
      }
    }
  }

 private:
  struct Node {
    std::map<Segment, std::unique_ptr<Node>> next{};
    int visits = 0;
    double reward = 0;  ///< of all visits together
  };

  void Play() {
    std::vector<Node*> path{&root_};
    Sequence sequence;
    std::vector<char> taken(Index(judge_.count()));
    bool is_new = false;
    while (!is_new && sequence.size() < taken.size()) {
      const Segment segment = Choose(*path.back(), taken);
      std::unique_ptr<Node>& next = path.back()->next[segment];
      is_new = next == nullptr;
      if (is_new) next = std::make_unique<Node>();
      path.push_back(next.get());
      sequence.push_back(segment);
      taken[Index(segment)] = 1;
    }
    const std::size_t fixed = sequence.size();
    for (const Segment segment : judge_.best()) {
      if (taken[Index(segment)] == 0) sequence.push_back(segment);
    }
    const double makespan = Judge(Moved(std::move(sequence), fixed));
    const double reward = most_ > judge_.least() ? (most_ - makespan) / (most_ - judge_.least()) : 1;
    for (Node* node : path) {
      ++node->visits;
      node->reward += reward;
    }
  }

  /// What has not been tried, then what promises most.
  Segment Choose(const Node& node, const std::vector<char>& taken) const {
    Segment best = -1;
    double promise = -1;
    for (const Segment segment : Choices(taken)) {
      const auto known = node.next.find(segment);
      if (known == node.next.end()) return segment;
      const Node& next = *known->second;
      const double of_this =
          next.reward / next.visits + kExploration * std::sqrt(std::log(node.visits + 1.0) / next.visits);
      if (of_this <= promise) continue;
      promise = of_this;
      best = segment;
    }
    return best;
  }
  /// Of every chunk the next in order, the shortest and the longest whose chunk before is taken already.
  std::vector<Segment> Choices(const std::vector<char>& taken) const {
    std::vector<Segment> choices;
    for (const std::vector<Segment>& turns : turns_) {
      for (const Segment segment : turns) {
        const Segment before = segment - problem_.microbatches;
        if (taken[Index(segment)] != 0 || (before >= 0 && taken[Index(before)] == 0)) continue;
        if (std::find(choices.begin(), choices.end(), segment) == choices.end()) choices.push_back(segment);
        break;
      }
    }
    return choices;
  }

  double Judge(const Sequence& sequence) {
    const double makespan = judge_.Judge(sequence, rule_);
    most_ = std::max(most_, makespan);
    return makespan;
  }

  /// One segment behind the first `fixed` goes elsewhere, or changes places with another one.
  Sequence Moved(Sequence sequence, std::size_t fixed) {
    const std::size_t open = sequence.size() - fixed;
    if (open < 2) return sequence;
    const std::size_t from = fixed + random_.Below(open), to = fixed + random_.Below(open);
    const auto at = [&](std::size_t place) { return sequence.begin() + static_cast<std::ptrdiff_t>(place); };
    if (random_.Below(2) == 0) {
      std::swap(sequence[from], sequence[to]);
    } else if (from < to) {
      std::rotate(at(from), at(from + 1), at(to + 1));
    } else {
      std::rotate(at(to), at(from), at(from + 1));
    }
    return sequence;
  }

  const ScheduleProblem& problem_;
  SegmentJudge& judge_;
  const ListRule rule_;  ///< the best draft's: all but the order of forwards
  RandomStream random_;
  double most_;                              ///< the longest makespan of the search
  std::vector<std::vector<Segment>> turns_;  ///< of every chunk: in order, shortest first, longest first
  Node root_;
};

}  // namespace

ListRule BestSegmentRule(const ScheduleProblem& problem, double limit, int evaluations) {
  SegmentJudge judge(problem, limit);
  SegmentDrafts(problem, judge).Try();
  if (problem.times.empty() || judge.count() < 2) return judge.rule();
  const std::int64_t per_schedule = std::int64_t{problem.devices} * judge.count();
  SegmentTree(problem, judge).Search(std::min<std::int64_t>(evaluations, kMostPlacedSegments / per_schedule));
  return judge.rule();
}

}  // namespace dflop
