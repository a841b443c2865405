// Attention that sees a window: how many scores there are, and which full attention costs the same.
#pragma once

#include <algorithm>
#include <cmath>

namespace dflop {

/// The square that stands for one sequence: full attention of the same mask over s tokens makes s² scores (or half of
/// them, causal), a window of w fewer. Causal, every token sees itself and the w − 1 before it: s·w − w²/2 scores in
/// place of s²/2, in the limit of many tokens as all counts here. Otherwise blocks of w that see themselves: w² each,
/// and the square of what is left over.
inline double WindowSquare(double length, int window, bool causal) {
  if (length <= window) return length * length;
  const double w = window;
  if (causal) return 2 * length * w - w * w;
  const double rest = std::fmod(length, w);
  return std::floor(length / w) * w * w + rest * rest;
}

/// Calls visit(length, count) for sequences under full attention of the same mask that cost what one windowed sequence
/// costs. Blocks are sequences by themselves. A causal band has no twin among measured kernels, so it is priced as
/// causal sequences of 2·w − w²/s tokens, s in all: as many scores, as many queries, keys and values read and written,
/// and as many keys per query, which is what the efficiency of a kernel that walks over keys depends on. At s = w it is
/// the sequence itself.
template <typename Visit>
void ForEachWindowTwin(double length, int window, bool causal, Visit visit) {
  if (length <= window) return visit(length, 1.0);
  if (causal) {
    const double twin = WindowSquare(length, window, true) / length;
    return visit(twin, length / twin);
  }
  const double rest = std::fmod(length, static_cast<double>(window));
  visit(static_cast<double>(window), std::floor(length / window));
  if (rest > 0) visit(rest, 1.0);
}

}  // namespace dflop
