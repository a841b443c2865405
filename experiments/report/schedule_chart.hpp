// A pipeline schedule drawn: a row per device, time to the right.
#pragma once

#include <string>

#include "experiments/report/svg.hpp"
#include "policies/api/timed_orders.hpp"

namespace dflop {

Svg ScheduleChart(const TimedOrders& run, const std::string& title);

}  // namespace dflop
