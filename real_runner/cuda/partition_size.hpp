// How many multiprocessors the parts of a GPU can have. Knows no CUDA header, so that a machine without CUDA can test
// it.
#pragma once

namespace dflop::cuda {

/// What the hardware asks of a part (CUDA's guideline by compute capability).
struct PartRules {
  int least = 0;
  int multiple = 1;
};
inline PartRules RulesOf(int compute_capability_major) {
  return compute_capability_major >= 9 ? PartRules{8, 8} : PartRules{compute_capability_major == 8 ? 4 : 2, 2};
}

/// Of each of `parts` equal parts; 0 where they would be too small.
inline int PartSize(int multiprocessors, int parts, PartRules rules) {
  const int size = multiprocessors / parts / rules.multiple * rules.multiple;
  return size >= rules.least ? size : 0;
}

}  // namespace dflop::cuda
