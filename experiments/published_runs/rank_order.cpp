// All pairs: groups of layouts hold tens of runs.
#include "experiments/published_runs/rank_order.hpp"

#include <algorithm>
#include <cmath>

namespace dflop {
namespace {

constexpr double kRounding = 1e-12;  // of sums that are equal but for the order of their terms

double Longer(double one, double other) { return std::max(one, other) / std::min(one, other) - 1; }

void CountPair(const TimedRun& one, const TimedRun& other, double close, PairCount& count) {
  if (Longer(one.measured_s, other.measured_s) <= close + kRounding) {
    ++count.close;
    return;
  }
  ++count.pairs;
  if (Longer(one.predicted_s, other.predicted_s) <= kRounding) {
    ++count.tied;
    return;
  }
  const bool agree = (one.measured_s < other.measured_s) == (one.predicted_s < other.predicted_s);
  ++(agree ? count.right : count.wrong);
}

}  // namespace

double PairCount::tau() const {
  return pairs == 0 ? 0 : (static_cast<double>(right) - static_cast<double>(wrong)) / static_cast<double>(pairs);
}

PairCount& PairCount::operator+=(const PairCount& other) {
  pairs += other.pairs;
  right += other.right;
  wrong += other.wrong;
  tied += other.tied;
  close += other.close;
  return *this;
}

PairCount CountPairs(const std::vector<TimedRun>& runs, double close) {
  PairCount count;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) CountPair(runs[j], runs[i], close, count);
  }
  return count;
}

}  // namespace dflop
