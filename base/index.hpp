// Our counts and indices are int, the standard containers' are not: the one place where they meet in hot code.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dflop {

/// `i` as a container wants it; not negative.
constexpr std::size_t Index(int i) { return static_cast<std::size_t>(i); }
constexpr std::size_t Index(std::int64_t i) { return static_cast<std::size_t>(i); }

}  // namespace dflop
