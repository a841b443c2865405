// What fills a device's memory, part by part.
#pragma once

#include <array>

#include "base/units.hpp"

namespace dflop {

struct MemoryParts {
  Bytes weights{0};
  Bytes gradients{0};
  Bytes optimizer{0};
  Bytes activations{0};
  Bytes other{0};

  Bytes total() const { return weights + gradients + optimizer + activations + other; }
};

struct MemoryPart {
  const char* name;   ///< in files, tables and legends
  const char* words;  ///< in a sentence
  Bytes MemoryParts::*bytes;
};

/// In the order in which every table and chart shows them.
inline constexpr std::array<MemoryPart, 5> kMemoryParts = {{
    {"weights", "weights", &MemoryParts::weights},
    {"gradients", "gradients", &MemoryParts::gradients},
    {"optimizer", "optimizer state", &MemoryParts::optimizer},
    {"activations", "activations", &MemoryParts::activations},
    {"other", "workspace", &MemoryParts::other},
}};

inline MemoryParts& operator+=(MemoryParts& sum, const MemoryParts& more) {
  for (const MemoryPart& part : kMemoryParts) sum.*part.bytes += more.*part.bytes;
  return sum;
}

}  // namespace dflop
