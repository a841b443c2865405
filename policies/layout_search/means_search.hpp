// Algorithm 1's search (arXiv 2603.25120) without the evaluations that cannot matter.
//
// T(i) = (i + q)·max(e_i, l_i) with q = E_pp + L_pp − 1. A side's microbatches together are never less than its least
// work W (the whole batch at the highest rate of its curve), so max(e_i, l_i) ≥ W/i and T(i) ≥ W·(1 + q/i): with the
// largest i a bound for a choice of degrees. Choices wait in a queue by bound and are worked out when they come to its
// head; so they leave it in exactly the order of their best T.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <queue>
#include <vector>

#include "policies/layout_search/means_formula.hpp"

namespace dflop {

class MeansSearch {
 public:
  struct Choice {
    SeparatePair pair;
    int microbatches = 0;
    Seconds time{0};
    std::size_t order = 0;  ///< place in the list of pairs, which decides between equals
  };

  MeansSearch(MeansFormula& formula, std::vector<SeparatePair> pairs);

  /// The choice with the smallest T that is left; nothing when none fits the formula's memory any more.
  std::optional<Choice> Next();
  /// Its degrees get another chance, with more microbatches.
  void Refuse(const Choice& choice);

  std::size_t pairs() const { return pairs_.size(); }
  std::size_t evaluated() const { return evaluated_; }  ///< T worked out, for one microbatch count each

 private:
  struct Entry {
    Seconds time{0};  ///< a lower bound as long as microbatches is 0
    std::uint32_t order = 0;
    int microbatches = 0;
  };
  struct Later {
    bool operator()(const Entry& a, const Entry& b) const;
  };
  Seconds LeastWork(const SeparatePair& pair) const;
  int LeastCount(const SeparatePair& pair, int least) const;
  std::optional<Entry> BestCount(std::uint32_t order, int least);

  MeansFormula& formula_;
  std::vector<SeparatePair> pairs_;
  std::priority_queue<Entry, std::vector<Entry>, Later> queue_;
  std::size_t evaluated_ = 0;
};

}  // namespace dflop
