// Interface of corrections: estimates that learn from what was observed (DFLOP's Adaptive Correction).
#pragma once

#include "sim/timeline.hpp"

namespace dflop {

class Correction {
 public:
  virtual ~Correction() = default;
  /// What the predicted time of a sample with so many tokens in this module is multiplied by.
  virtual double Factor(int module, double tokens) const = 0;
  /// One step as it happened beside its prediction.
  virtual void Observe(const Timeline& predicted, const Timeline& actual) = 0;
};

}  // namespace dflop
