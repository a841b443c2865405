// What a planner or a batch scheduler throws when nothing satisfies its limits.
#pragma once

#include <stdexcept>

namespace dflop {

/// The message names the limit that the least bad choice breaks, and by how much.
class Infeasible : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace dflop
