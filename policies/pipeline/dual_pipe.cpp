// dualpipe, dualpipev: microbatches come from both ends of the devices, and a forward of the ones runs as a pair with a
// backward of the others, so that each hides what the other has to wait for inside (the all-to-alls of experts).
//
// DeepSeek-AI, DualPipe (arXiv 2412.19437, section 3.2.1; github.com/deepseek-ai/DualPipe), in eight steps. dualpipe is
// two pipelines in opposite directions over an even number of devices, each with the whole model's weights, the even
// microbatches on the way down, the odd ones on the way up. dualpipev cuts it in the middle: one pipeline in a V, whose
// chunks are the two, as PyTorch's ScheduleDualPipeV. With D = 2H devices for dualpipe, D = H for dualpipev, n
// microbatches of either pipeline or in the V, and q the device's distance from the nearer end (in the V: its number):
//   1  2(H − q − 1) · F0              5  (H − q − 1) · BW1, F1&BW0
//   2  (q + 1) · F0, F1               6  (q + 1) · BW1, BW0, the weights' halves left out from the middle on
//   3  (H − q − 1) · B1, W, F1        7  (H − q − 1) · W, B0
//   4  (n − 2H + q + 1) · F0&BW1,     8  (q + 1) · W
//      F1&BW0
// where 0 enters at the nearer end, and the first pair at the middle is none. Law, of equal input and weight halves'
// times in place, B = F: the most that a device idles is (H − 1)(F&B + BW − 3W). A pair is atomic: its two results are
// there at its end, after `overlap` times F + B + W (ScheduledOp::pair).
#include <algorithm>
#include <array>
#include <queue>
#include <string>

#include "base/index.hpp"
#include "policies/api/infeasible.hpp"
#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"
#include "policies/api/v_placement.hpp"

namespace dflop {
namespace {

/// How the microbatches that enter at the nearer end (0) and at the other (1) are chunks and numbers of a device.
struct DualNumbers {
  bool two_pipelines = false;
  bool ends_swapped = false;  ///< of two pipelines, the way up enters at the nearer end

  ScheduledOp At(OpKind kind, int end, int n) const {
    const int chunk = ends_swapped ? 1 - end : end;
    return {kind, two_pipelines ? 2 * n + chunk : n, chunk};
  }
};

/// Appends the next microbatch of a kind and end.
class DualOrder {
 public:
  DualOrder(DualNumbers numbers, double overlap) : numbers_(numbers), overlap_(overlap) {}

  void Forward(int end) { order_.push_back(numbers_.At(OpKind::kForward, end, forwards_[Index(end)]++)); }
  void Backward(int end) { order_.push_back(numbers_.At(OpKind::kBackward, end, backwards_[Index(end)]++)); }
  void BackwardInput(int end) {
    const ScheduledOp op = numbers_.At(OpKind::kBackwardInput, end, backwards_[Index(end)]++);
    order_.push_back(op);
    waiting_.push({OpKind::kBackwardWeight, op.microbatch, op.chunk});
  }
  void OldestWeights() {
    order_.push_back(waiting_.front());
    waiting_.pop();
  }
  void Pair(int forward_end, int backward_end) {
    ScheduledOp forward = numbers_.At(OpKind::kForward, forward_end, forwards_[Index(forward_end)]++);
    forward.pair = overlap_;
    order_.push_back(forward);
    Backward(backward_end);
  }
  const DeviceOrder& order() const { return order_; }

 private:
  DualNumbers numbers_;
  double overlap_;
  std::array<int, 2> forwards_{};
  std::array<int, 2> backwards_{};
  std::queue<ScheduledOp> waiting_;
  DeviceOrder order_;
};

/// The eight steps of device `q` of `half`.
DeviceOrder DualSteps(int half, int q, int microbatches, DualOrder order) {
  const int to_middle = half - q - 1;
  for (int i = 0; i < 2 * to_middle; ++i) order.Forward(0);
  for (int i = 0; i <= q; ++i) order.Forward(0), order.Forward(1);
  for (int i = 0; i < to_middle; ++i) order.BackwardInput(1), order.OldestWeights(), order.Forward(1);
  for (int i = 0; i < microbatches - 2 * half + q + 1; ++i) {
    const bool apart = i == 0 && to_middle == 0;
    apart ? (order.Forward(0), order.Backward(1)) : order.Pair(0, 1);
    order.Pair(1, 0);
  }
  for (int i = 0; i < to_middle; ++i) order.Backward(1), order.Pair(1, 0);
  for (int i = 0; i < 2 * (q + 1); ++i) {  // of either end in turn; every second half without the weights
    const int end = 1 - i % 2;
    i <= q ? order.Backward(end) : order.BackwardInput(end);
  }
  for (int i = 0; i < to_middle; ++i) order.OldestWeights(), order.BackwardInput(0);
  for (int i = 0; i <= q; ++i) order.OldestWeights();
  return order.order();
}

class DualPipe final : public PipelineSchedule {
 public:
  DualPipe(bool two_pipelines, double overlap) : two_pipelines_(two_pipelines), overlap_(overlap) {}

  int chunks() const override { return 2; }
  int directions() const override { return two_pipelines_ ? 2 : 1; }
  Placement placement(int devices) const override { return InV(devices); }

  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    const int devices = problem.devices;
    if (two_pipelines_) CheckPairs(problem);
    if (problem.microbatches < 2 * devices) {
      throw Infeasible("wants at least twice as many microbatches as devices, " + std::to_string(2 * devices) +
                       ", not " + std::to_string(problem.microbatches));
    }
    std::vector<DeviceOrder> orders;
    for (int device = 0; device < devices; ++device) {
      const bool beyond = two_pipelines_ && device >= devices / 2;
      const DualOrder order({two_pipelines_, beyond}, overlap_);
      const int half = two_pipelines_ ? devices / 2 : devices;
      const int of_each = two_pipelines_ ? problem.microbatches / 2 : problem.microbatches;
      orders.push_back(DualSteps(half, beyond ? devices - 1 - device : device, of_each, order));
    }
    return orders;
  }

 private:
  static void CheckPairs(const ScheduleProblem& problem) {
    const auto check = [](int number, int least, const std::string& what) {
      if (number % 2 == 0) return;
      throw Infeasible("feeds a pipeline from either end and wants an even number of " + what + ", not " +
                       std::to_string(number) + "; " + std::to_string(std::max(least, number + 1)) + " would do");
    };
    check(problem.devices, 2, "devices");
    check(problem.microbatches, 2 * problem.devices, "microbatches");
  }

  bool two_pipelines_;
  double overlap_;
};

std::vector<Parameter> DualParameters() {
  return {{.name = "overlap",
           .type = Parameter::Number{0.5, 1},
           .standard = 1.0,
           .help = "time of a forward and a backward that overlap, as a share of both alone"}};
}

const Registration<PipelineSchedule> kDualPipe{
    {"dualpipe",
     "two pipelines in opposite directions, forwards and backwards in pairs, two copies of the weights; dp and "
     "microbatches are of rows of devices (DualPipe, arXiv 2412.19437)",
     DualParameters()},
    [](const Parameters& given) { return std::make_unique<DualPipe>(true, given.Number("overlap")); }};
const Registration<PipelineSchedule> kDualPipeV{
    {"dualpipev", "dualpipe cut in the middle: one pipeline in a V, forwards and backwards in pairs (PyTorch)",
     DualParameters()},
    [](const Parameters& given) { return std::make_unique<DualPipe>(false, given.Number("overlap")); }};

}  // namespace
}  // namespace dflop
