// Random tensors that are made fast: weights and the pixels of a step.
#pragma once

#include <cstdint>

#include "base/random.hpp"

namespace dflop::training {

/// Uniform numbers of this mean and standard deviation, two from every draw of the stream.
inline void FillRandom(RandomStream& random, double mean, double deviation, float* values, std::int64_t count) {
  constexpr double kHalfWidth = 1.7320508075688772;  // a uniform distribution's, in standard deviations
  constexpr double kDraws = 0x1.0p32;
  const auto low = static_cast<float>(mean - kHalfWidth * deviation);
  const auto step = static_cast<float>(2 * kHalfWidth * deviation / kDraws);
  for (std::int64_t i = 0; i < count; i += 2) {
    const std::uint64_t draw = random.Next();
    values[i] = low + step * static_cast<float>(static_cast<std::uint32_t>(draw));
    if (i + 1 < count) values[i + 1] = low + step * static_cast<float>(static_cast<std::uint32_t>(draw >> 32));
  }
}

}  // namespace dflop::training
