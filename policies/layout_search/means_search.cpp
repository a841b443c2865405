// One queue of bounds and of evaluated choices: a bound that comes up is evaluated, a choice is the next best.
#include "policies/layout_search/means_search.hpp"

#include <algorithm>
#include <utility>

namespace dflop {
namespace {

constexpr double kRounding = 1 - 1e-9;  // bounds are sums in another order than what they bound

}  // namespace

/// At equal times a bound comes first: what hides behind it may be the earlier of equals.
bool MeansSearch::Later::operator()(const Entry& a, const Entry& b) const {
  if (a.time != b.time) return a.time > b.time;
  if ((a.microbatches == 0) != (b.microbatches == 0)) return b.microbatches == 0;
  return a.order > b.order;
}

MeansSearch::MeansSearch(MeansFormula& formula, std::vector<SeparatePair> pairs)
    : formula_(formula), pairs_(std::move(pairs)) {
  std::vector<Entry> bounds;
  bounds.reserve(pairs_.size());
  for (std::size_t order = 0; order < pairs_.size(); ++order) {
    const SeparatePair& pair = pairs_[order];
    const int most = formula_.global_batch_size() / pair.llm.dp;
    if (most == 0) continue;
    const double fill = 1 + static_cast<double>(pair.depth() - 1) / most;
    bounds.push_back({LeastWork(pair) * fill, static_cast<std::uint32_t>(order), 0});
  }
  queue_ = std::priority_queue<Entry, std::vector<Entry>, Later>(Later(), std::move(bounds));
}

std::optional<MeansSearch::Choice> MeansSearch::Next() {
  while (!queue_.empty()) {
    const Entry entry = queue_.top();
    queue_.pop();
    if (entry.microbatches > 0) return Choice{pairs_[entry.order], entry.microbatches, entry.time, entry.order};
    if (const auto best = BestCount(entry.order, 1)) queue_.push(*best);
  }
  return std::nullopt;
}

void MeansSearch::Refuse(const Choice& choice) {
  if (const auto next = BestCount(static_cast<std::uint32_t>(choice.order), choice.microbatches + 1)) {
    queue_.push(*next);
  }
}

/// Seconds that the microbatches of a step together take on a stage of the busier side, at least.
Seconds MeansSearch::LeastWork(const SeparatePair& pair) const {
  const auto of = [&](int module, const ModuleDegrees& degrees) {
    return formula_.LeastWork(module, degrees.tp) / (degrees.pp * degrees.dp);
  };
  const Seconds llm = of(formula_.llm(), pair.llm);
  return (pair.encoder ? std::max(llm, of(0, *pair.encoder)) : llm) * kRounding;
}

/// The smallest count from `least` on that fits: memory only falls as microbatches get smaller.
int MeansSearch::LeastCount(const SeparatePair& pair, int least) const {
  int above = formula_.global_batch_size() / pair.llm.dp + 1;
  while (least < above) {
    const int middle = (least + above) / 2;
    if (formula_.Fits(pair, middle)) {
      above = middle;
    } else {
      least = middle + 1;
    }
  }
  return above;
}

std::optional<MeansSearch::Entry> MeansSearch::BestCount(std::uint32_t order, int least) {
  const SeparatePair& pair = pairs_[order];
  const int most = formula_.global_batch_size() / pair.llm.dp;
  std::optional<Entry> best;
  for (int i = LeastCount(pair, least); i <= most; ++i) {
    const Seconds time = formula_.StepTime(pair, i).value();
    ++evaluated_;
    if (!best || time < best->time) best = Entry{time, order, i};
  }
  return best;
}

}  // namespace dflop
