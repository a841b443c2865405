// bfs: every device runs all microbatches of its first chunk, then of the next; backwards from the last chunk, the last
// microbatch first.
//
// Breadth-first pipelines: Lamy-Poirier, MLSys 2023 (arXiv 2211.05953), PyTorch's ScheduleLoopedBFS. Idle time with
// equal costs (p−1)(f+b)/v, as interleaved; all microbatches' activations wait, but parameters that are gathered chunk
// by chunk are gathered once.
#include "base/index.hpp"
#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"

namespace dflop {
namespace {

class BreadthFirst final : public PipelineSchedule {
 public:
  explicit BreadthFirst(int chunks) : chunks_(chunks) {}

  int chunks() const override { return chunks_; }

  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    DeviceOrder order;
    for (int chunk = 0; chunk < chunks_; ++chunk) {
      for (int k = 0; k < problem.microbatches; ++k) order.push_back({OpKind::kForward, k, chunk});
    }
    for (int chunk = chunks_ - 1; chunk >= 0; --chunk) {
      for (int k = problem.microbatches - 1; k >= 0; --k) order.push_back({OpKind::kBackward, k, chunk});
    }
    return std::vector<DeviceOrder>(Index(problem.devices), order);
  }

 private:
  int chunks_;
};

const Registration<PipelineSchedule> kBreadthFirst{
    {"bfs",
     "all microbatches of a chunk, then the next chunk (breadth-first pipelines, arXiv 2211.05953)",
     {{.name = "chunks", .type = Parameter::Integer{2, 128}, .standard = 2, .help = "chunks of layers on a device"}}},
    [](const Parameters& parameters) {
      return std::make_unique<BreadthFirst>(static_cast<int>(parameters.Int("chunks")));
    }};

}  // namespace
}  // namespace dflop
