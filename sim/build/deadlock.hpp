// Whether a job can run at all: orders and messages that block may wait for each other in a circle.
#pragma once

#include <string>

#include "sim/plan/job.hpp"

namespace dflop {

/// "" where every step of the job ends, whatever its batches are; otherwise which operation can never start.
std::string WhyDeadlocked(const Job& job);

}  // namespace dflop
