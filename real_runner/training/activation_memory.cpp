// The places of one step are found by first fit in the order in which its blocks come and go.
#include "real_runner/training/activation_memory.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace dflop::training {

std::size_t FirstFit::Take(std::size_t bytes) {
  const std::size_t size = std::max(WholeLines(bytes), kLineBytes);  // every block has a place of its own
  std::size_t offset = 0;
  for (const auto& [start, length] : taken_) {
    if (start - offset >= size) break;
    offset = start + length;
  }
  taken_.emplace(offset, size);
  high_water_ = std::max(high_water_, offset + size);
  return offset;
}

void FirstFit::Release(std::size_t offset) { DFLOP_CHECK(taken_.erase(offset) == 1, "a block is released once"); }

}  // namespace dflop::training
