// The same orders with every operation as late as it may run without holding up the whole.
#pragma once

#include "policies/api/timed_orders.hpp"

namespace dflop {

/// `run` is of these orders' problem and holds neither encoders nor pairs nor splits. Its makespan stays.
TimedOrders AsLateAsPossible(TimedOrders run, const ScheduleProblem& problem);

}  // namespace dflop
