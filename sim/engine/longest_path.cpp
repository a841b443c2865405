// Sorted by first start times and not merely topologically: a change late in the step then sweeps little.
#include "sim/engine/longest_path.hpp"

#include <algorithm>
#include <numeric>

#include "base/error.hpp"
#include "sim/engine/replay.hpp"

namespace dflop {

LongestPath::LongestPath(const OperationGraph& graph) {
  const Precedence precedence(graph);
  SortByStart(graph, precedence);
  LinkPredecessors(precedence);
  if (!graph.lags.empty()) LinkLags(graph);
  end_.resize(operation_.size());
  for (const std::int32_t operation : operation_) duration_.push_back(graph.durations[Index(operation)].value());
  SweepFrom(0);
  Measure();
}

/// Equal starts keep the topological order: an operation without duration may start with the one that waits for it. An
/// operation that waits with a part of itself comes after what it waits for, though it may start before.
void LongestPath::SortByStart(const OperationGraph& graph, const Precedence& precedence) {
  OperationTimes times = Replay(graph, SweepOrder(graph));
  operation_ = precedence.Order();
  if (!graph.lags.empty()) {
    for (const std::int32_t operation : operation_) {
      for (const Lag& lag : graph.LagsOf(Index(operation))) {
        times.start[Index(operation)] = std::max(times.start[Index(operation)], times.start[Index(lag.needed)]);
      }
    }
  }
  std::stable_sort(operation_.begin(), operation_.end(),
                   [&](std::int32_t a, std::int32_t b) { return times.start[Index(a)] < times.start[Index(b)]; });
  position_.resize(operation_.size());
  for (std::size_t p = 0; p < operation_.size(); ++p) position_[Index(operation_[p])] = static_cast<std::int32_t>(p);
}

void LongestPath::LinkPredecessors(const Precedence& precedence) {
  begin_.assign(operation_.size() + 1, 0);
  for (std::size_t p = 0; p < operation_.size(); ++p) {
    begin_[p + 1] = begin_[p] + precedence.waiting_for()[Index(operation_[p])];
  }
  predecessors_.resize(Index(begin_.back()));
  std::vector<std::int64_t> next(begin_.begin(), begin_.end() - 1);
  for (std::size_t p = 0; p < operation_.size(); ++p) {
    const auto successors = precedence.successors(operation_[p]);
    if (successors.empty()) sinks_.push_back(p);
    for (const std::int32_t successor : successors) {
      predecessors_[Index(next[Index(position_[Index(successor)])]++)] = static_cast<std::int32_t>(p);
    }
  }
}

void LongestPath::LinkLags(const OperationGraph& graph) {
  lag_begin_.assign(1, 0);
  for (const std::int32_t operation : operation_) {
    for (Lag lag : graph.LagsOf(Index(operation))) {
      lag.needed = position_[Index(lag.needed)];
      lags_.push_back(lag);
    }
    lag_begin_.push_back(static_cast<std::int64_t>(lags_.size()));
  }
}

/// The first change since the last sweep, or the next sweep, forgets how to undo that one.
void LongestPath::BeginChanges() {
  if (!swept_) return;
  old_durations_.clear();
  first_changed_ = operation_.size();
  swept_ = false;
}

void LongestPath::Set(int operation, Seconds duration) {
  BeginChanges();
  const std::size_t position = Index(position_[Index(operation)]);
  if (duration_[position] == duration.value()) return;
  old_durations_.emplace_back(position, duration_[position]);
  duration_[position] = duration.value();
  first_changed_ = std::min(first_changed_, position);
}

Seconds LongestPath::Sweep() {
  BeginChanges();
  old_makespan_ = makespan_;
  old_ends_.assign(end_.begin() + static_cast<std::ptrdiff_t>(first_changed_), end_.end());
  SweepFrom(first_changed_);
  Measure();
  swept_ = true;
  return makespan();
}

void LongestPath::Undo() {
  DFLOP_CHECK(swept_, "a sweep to undo");
  // Backwards, so that an operation that was set twice gets its first duration again.
  for (auto change = old_durations_.rbegin(); change != old_durations_.rend(); ++change) {
    duration_[change->first] = change->second;
  }
  std::copy(old_ends_.begin(), old_ends_.end(), end_.end() - static_cast<std::ptrdiff_t>(old_ends_.size()));
  makespan_ = old_makespan_;
  old_durations_.clear();
  old_ends_.clear();
}

void LongestPath::SweepFrom(std::size_t first) {
  for (std::size_t p = first; p < end_.size(); ++p) {
    double start = 0;
    for (std::int64_t i = begin_[p]; i < begin_[p + 1]; ++i) {
      start = std::max(start, end_[Index(predecessors_[Index(i)])]);
    }
    end_[p] = start + duration_[p];
    if (lag_begin_.empty()) continue;
    for (std::int64_t i = lag_begin_[p]; i < lag_begin_[p + 1]; ++i)
      end_[p] = std::max(end_[p], EndAfter(p, lags_[Index(i)]));
  }
}

/// When the operation ends at the earliest because of a lag.
double LongestPath::EndAfter(std::size_t position, const Lag& lag) const {
  const std::size_t needed = Index(lag.needed);
  const double rest = 1 - lag.share;
  return lag.part_of == Lag::PartOf::kWaiting ? end_[needed] + duration_[position] * rest
                                              : end_[needed] - duration_[needed] * rest + duration_[position];
}

void LongestPath::Measure() {
  makespan_ = 0;
  for (const std::size_t sink : sinks_) makespan_ = std::max(makespan_, end_[sink]);
}

/// Any where it has one; the operation itself where it waits for nobody.
std::size_t LongestPath::LatestPredecessor(std::size_t position) const {
  if (!lag_begin_.empty()) {
    for (std::int64_t i = lag_begin_[position]; i < lag_begin_[position + 1]; ++i) {
      if (EndAfter(position, lags_[Index(i)]) == end_[position]) return Index(lags_[Index(i)].needed);
    }
  }
  if (begin_[position] == begin_[position + 1]) return position;
  std::size_t latest = Index(predecessors_[Index(begin_[position])]);
  for (std::int64_t i = begin_[position]; i < begin_[position + 1]; ++i) {
    const std::size_t other = Index(predecessors_[Index(i)]);
    if (end_[other] > end_[latest]) latest = other;
  }
  return latest;
}

std::vector<int> LongestPath::CriticalPath() const {
  std::vector<int> path;
  if (sinks_.empty()) return path;
  std::size_t p =
      *std::max_element(sinks_.begin(), sinks_.end(), [&](std::size_t a, std::size_t b) { return end_[a] < end_[b]; });
  path.push_back(operation_[p]);
  for (std::size_t before = LatestPredecessor(p); before != p; before = LatestPredecessor(p)) {
    p = before;
    path.push_back(operation_[p]);
  }
  std::reverse(path.begin(), path.end());
  return path;
}

}  // namespace dflop
