// The samples that a step may run: those that batch schedulers deferred, the oldest first, and the step's fresh ones.
#pragma once

#include <vector>

#include "models/sample_shape.hpp"

namespace dflop {

/// One step's choice.
struct StepBatch {
  std::vector<SampleShape> shapes;
  std::vector<int> waited;  ///< for how many steps each has been deferred
};

class SampleQueue {
 public:
  StepBatch With(const std::vector<SampleShape>& fresh) const;
  /// `deferred`: indices into the batch that wait on; everything else has run.
  void Keep(const StepBatch& batch, const std::vector<int>& deferred);

 private:
  StepBatch waiting_;
};

}  // namespace dflop
