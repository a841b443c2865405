// The orders of one pipeline with times: when every operation runs where nothing but the pipeline holds it up.
#pragma once

#include <vector>

#include "policies/api/schedule_problem.hpp"
#include "sim/plan/device_order.hpp"

namespace dflop {

struct TimedOp {
  ScheduledOp op;
  Seconds start{0};
  Seconds end{0};
};

struct TimedOrders {
  std::vector<std::vector<TimedOp>> devices;  ///< in their orders
  Seconds makespan{0};                        ///< from the first start to the last end of all devices
  Seconds span{0};                            ///< the longest from a device's own first start to its own last end
  /// [device]: the most that it holds at once, every microbatch of a stage as much as the problem says, from the start
  /// of its forward to the end of the input's backward, `weight_share` of it to the end of the weights'.
  std::vector<double> peak_activations;

  /// Idle over all of the makespan or span, mean over the devices.
  double bubble_of_makespan() const;
  double bubble_of_span() const;

 private:
  double Bubble(Seconds whole) const;
};

/// The orders must be whole and able to end (WhyOrdersFail). An operation starts when its device is free and its input
/// has come; a message occupies no device. A pair starts when both inputs have come, its halves share its time as they
/// would alone, and both results are there when the second ends. A split of k takes a k-th of what a microbatch does.
TimedOrders RunOrders(const std::vector<DeviceOrder>& orders, const ScheduleProblem& problem, double weight_share = 1);

}  // namespace dflop
