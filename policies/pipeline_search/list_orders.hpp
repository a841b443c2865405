// List scheduling of a pipeline: whenever a device is free, it runs the best of what it may run.
//
// Graham's rule (Bell System Technical Journal, 1966) with a limit on what a device holds. Nothing ever waits for what
// cannot come: a device's last forward can always go on, because the device behind it can always free a place, down to
// the last one, whose backward waits for nothing.
#pragma once

#include <vector>

#include "policies/api/timed_orders.hpp"

namespace dflop {

/// What is best.
struct ListRule {
  /// [device]: forwards that may wait for their backwards, beside what the memory limit says. Empty: as many as may be.
  std::vector<int> most_ahead{};
  /// [device][microbatch], or of one row for all devices: less goes first. Empty: in their order.
  std::vector<std::vector<int>> forward_ranks{};
  std::vector<std::vector<int>> backward_ranks{};
  bool splits = false;         ///< backwards run in two halves, the weights' when nothing else can run
  bool forward_first = false;  ///< a forward goes before a backward that could run too
  bool fills = true;  ///< a weights' half fills a gap that is known to be shorter; otherwise only one that it fits into
};

struct ListedOrders {
  std::vector<DeviceOrder> orders;
  Seconds makespan{0};  ///< as RunOrders says it
};

/// One chunk per device, at least one microbatch fits everywhere (`limit` is of every device, in the unit of `held`).
ListedOrders ListOrders(const ScheduleProblem& problem, const ListRule& rule, double limit);

/// The same without the orders, for searches.
Seconds ListMakespan(const ScheduleProblem& problem, const ListRule& rule, double limit);

}  // namespace dflop
