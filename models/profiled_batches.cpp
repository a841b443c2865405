// A microbatch without sequences has linear layers and no attention: that is how attention is skipped.
#include "models/profiled_batches.hpp"

namespace dflop {

SequenceBatch WithoutAttention(double tokens) {
  SequenceBatch batch;
  batch.tokens = batch.useful_tokens = tokens;
  return batch;
}

SequenceBatch OneSequence(double tokens) {
  SequenceBatch batch;
  batch.Add(tokens, 1);
  return batch;
}

Seconds TimeOf(const PartCost& cost) { return cost.forward.time + cost.backward.time + cost.weight_gradient.time; }

CostModel WithoutHost(const CostModel& cost) {
  SoftwareStack software = cost.software();
  software.host_per_kernel = Seconds(0);
  return cost.With(software);
}

}  // namespace dflop
