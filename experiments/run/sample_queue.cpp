// Those that wait stand first and in their order, each with the number of steps that it has waited.
#include "experiments/run/sample_queue.hpp"

#include <algorithm>

#include "base/index.hpp"

namespace dflop {

StepBatch SampleQueue::With(const std::vector<SampleShape>& fresh) const {
  StepBatch batch = waiting_;
  batch.shapes.insert(batch.shapes.end(), fresh.begin(), fresh.end());
  batch.waited.resize(batch.shapes.size(), 0);
  return batch;
}

void SampleQueue::Keep(const StepBatch& batch, const std::vector<int>& deferred) {
  std::vector<int> in_order = deferred;
  std::sort(in_order.begin(), in_order.end());
  waiting_ = {};
  for (const int i : in_order) {
    waiting_.shapes.push_back(batch.shapes[Index(i)]);
    waiting_.waited.push_back(batch.waited[Index(i)] + 1);
  }
}

}  // namespace dflop
