// Communications that a replay leaves out, to tell what they cost: the graph stays as it is.
#pragma once

#include <bitset>

#include "sim/graph/operation_graph.hpp"

namespace dflop {

class SilentKinds {
 public:
  void Add(OpKind kind) { kinds_.set(static_cast<std::size_t>(kind)); }
  bool none() const { return kinds_.none(); }
  /// The operation takes no time.
  bool covers(const Operation& operation) const { return kinds_.test(static_cast<std::size_t>(operation.kind)); }
  /// A silent operation nobody waits for: between tied embeddings, which without it have nothing to do with each other.
  /// Every other one remains as a meeting point of those it lies between.
  static bool frees(const Operation& operation) {
    return operation.kind == OpKind::kGradientReduction && operation.to_stage >= 0;
  }

 private:
  std::bitset<16> kinds_;
};

}  // namespace dflop
