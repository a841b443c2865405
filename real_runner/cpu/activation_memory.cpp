#include "real_runner/cpu/activation_memory.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace dflop::cpu {

std::size_t FirstFit::Take(std::size_t values) {
  const std::size_t size = std::max(WholeLines(values), kLineValues);  // every block has a place of its own
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

void ActivationMemory::BeginRehearsal() {
  DFLOP_CHECK(inside_.empty() && beyond_.empty(), "no memory moves while it is used");
  rehearsing_ = true;
  places_ = {};
}

void ActivationMemory::EndRehearsal() {
  DFLOP_CHECK(inside_.empty(), "a rehearsal releases what it takes");
  rehearsing_ = false;
  if (places_.high_water() > reserved_) {
    reserved_ = places_.high_water();
    base_ = arena_.Reserve(reserved_);
  }
  places_ = {};
}

float* ActivationMemory::Take(std::size_t values) {
  const std::size_t offset = places_.Take(values);
  if (rehearsing_) {
    // An address that tells blocks apart.
    return inside_.emplace(reinterpret_cast<float*>((offset + 1) * sizeof(float)), offset).first->first;
  }
  if (places_.high_water() <= reserved_) return inside_.emplace(base_ + offset, offset).first->first;
  places_.Release(offset);
  std::vector<float> block(std::max<std::size_t>(values, 1));
  float* data = block.data();
  beyond_.emplace(data, std::move(block));
  return data;
}

void ActivationMemory::Release(float* block) {
  const auto place = inside_.find(block);
  if (place == inside_.end()) {
    DFLOP_CHECK(beyond_.erase(block) == 1, "a block is released once");
    return;
  }
  places_.Release(place->second);
  inside_.erase(place);
}

}  // namespace dflop::cpu
