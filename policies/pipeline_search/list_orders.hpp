// List scheduling of a pipeline: whenever a device is free, it runs the best of what it may run.
//
// Graham's rule (Bell System Technical Journal, 1966) with a limit on what a device holds. Nothing ever waits for what
// cannot come. With one chunk on every device: a device's last forward can always go on, because the device behind it
// can always free a place, down to the last one, whose backward waits for nothing. With several, a forward is begun
// only if beside it there is room for what one of the microbatches on their way down, the one that has come deepest on
// the device, still wants of it. Suppose that nothing runs nor may run. Of the forwards that wait with their input
// there, take the deepest, of stage s on device d (were there none, a backward could run). No microbatch is held at d
// by s or a deeper stage: it would wait deeper, with its input there, or be past the last stage, and a backward of it
// could run. So d holds shallower chunks only, and has begun none of these since it last began one. Then there was room
// for the rest of some microbatch x, which held all that it had begun. If x had not come to s, that rest holds s and
// all behind it. If it had, it has left d since, and its rest and what it held make a whole microbatch. Either way
// there is room for s and for what its microbatch wants of d behind it, and s may run. If d never began a shallower
// chunk it is empty, and a whole microbatch fits.
#pragma once

#include <vector>

#include "policies/api/timed_orders.hpp"

namespace dflop {

/// What is best.
struct ListRule {
  /// [device]: forwards that may wait for their backwards, beside what the memory limit says. Empty: as many as may be.
  /// One of each chunk may always.
  std::vector<int> most_ahead{};
  /// [device][chunk · microbatches + microbatch], or of one row for all devices: less goes first, and of a microbatch
  /// that waits at several chunks the deepest. Empty: in their order.
  std::vector<std::vector<int>> forward_ranks{};
  std::vector<std::vector<int>> backward_ranks{};
  bool splits = false;         ///< backwards run in two halves, the weights' when nothing else can run
  bool forward_first = false;  ///< a forward goes before a backward that could run too
  bool fills = true;  ///< a weights' half fills a gap that is known to be shorter; otherwise only one that it fits into
  bool keeps_room = false;  ///< of several chunks: a forward leaves room for all that its own microbatch still wants
};

struct ListedOrders {
  std::vector<DeviceOrder> orders;
  Seconds makespan{0};  ///< as RunOrders says it
};

/// At least one microbatch fits everywhere, into all chunks of a device (`limit` is of every device, in the unit of
/// `held`).
ListedOrders ListOrders(const ScheduleProblem& problem, const ListRule& rule, double limit);

/// The same without the orders, for searches.
Seconds ListMakespan(const ScheduleProblem& problem, const ListRule& rule, double limit);

}  // namespace dflop
