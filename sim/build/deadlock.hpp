// Whether a job can run at all: orders and messages that block may wait for each other in a circle.
#pragma once

#include <string>

#include "sim/plan/batch_plan.hpp"
#include "sim/plan/job.hpp"

namespace dflop {

/// "" where every step of the job ends, whatever its batches are; otherwise which operation can never start. A step
/// that defers samples (BatchPlan::encoder_buckets) brings dependencies of its own.
std::string WhyDeadlocked(const Job& job);
/// The same of a step with this work.
std::string WhyDeadlocked(const Job& job, const StepWork& work);

}  // namespace dflop
