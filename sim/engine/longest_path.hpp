// The longest path through an operation graph whose durations change a few at a time, with one step of undo.
//
// What replay_engine.cpp computes once, kept: operations lie in the order of their first start times, so that a change
// sweeps only what may come after it.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/index.hpp"
#include "sim/graph/operation_graph.hpp"
#include "sim/graph/precedence.hpp"

namespace dflop {

class LongestPath {
 public:
  explicit LongestPath(const OperationGraph& graph);

  /// A new duration, which counts from the next Sweep on.
  void Set(int operation, Seconds duration);
  /// Brings all times up to date; returns the makespan.
  Seconds Sweep();
  /// Durations and times as before the last Sweep; once per Sweep.
  void Undo();

  Seconds makespan() const { return Seconds(makespan_); }
  Seconds DurationOf(int operation) const { return Seconds(duration_[Index(position_[Index(operation)])]); }
  /// Operations that follow one another without a gap up to the end of the step, first to last. Of several, one.
  std::vector<int> CriticalPath() const;

 private:
  void SortByStart(const OperationGraph& graph, const Precedence& precedence);
  void LinkPredecessors(const Precedence& precedence);
  void LinkLags(const OperationGraph& graph);
  std::size_t LatestPredecessor(std::size_t position) const;
  double EndAfter(std::size_t position, const Lag& lag) const;
  void BeginChanges();
  void SweepFrom(std::size_t first);
  void Measure();

  // By position; seconds as plain numbers, for this is the innermost loop of a search.
  std::vector<std::int32_t> operation_;
  std::vector<std::int32_t> position_;  ///< by operation
  std::vector<std::int64_t> begin_;     ///< compressed rows of predecessors
  std::vector<std::int32_t> predecessors_;
  std::vector<std::int64_t> lag_begin_;  ///< likewise, of lags, whose `needed` is a position; empty: there are none
  std::vector<Lag> lags_;
  std::vector<std::size_t> sinks_;
  std::vector<double> duration_;
  std::vector<double> end_;
  double makespan_ = 0;

  // What the last Sweep overwrote.
  std::vector<std::pair<std::size_t, double>> old_durations_;
  std::size_t first_changed_ = 0;
  std::vector<double> old_ends_;
  double old_makespan_ = 0;
  bool swept_ = true;
};

}  // namespace dflop
