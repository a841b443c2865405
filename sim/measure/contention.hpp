// Where messages meet on a NIC and the engine lets them pass as if each were alone.
#pragma once

#include "sim/plan/job.hpp"
#include "sim/step/step.hpp"

namespace dflop {

/// Of the time that NICs are busy with messages between nodes (every NIC and direction counted for itself), the share
/// in which two or more operations' messages are under way on one. Under an engine without contention it was not
/// modelled that these slow each other down. Replicas that one stands for have NICs of their own each, or meet on those
/// that they share. Between 0 and 1; 0 where nothing leaves a node.
double NicMeetings(const Job& job, const Step& step);

}  // namespace dflop
