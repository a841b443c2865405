// What batchers share that begin with another one's plan.
#pragma once

#include <memory>
#include <string>

#include "policies/api/batch_scheduler.hpp"
#include "policies/api/parameter.hpp"

namespace dflop {

/// The parameter that names the other batcher, `dflop` by default.
Parameter StartParameter(const std::string& help);
std::unique_ptr<BatchScheduler> MakeStart(const Parameters& given);

/// Nothing where the note is "".
void AddNote(BatchPlan& plan, const std::string& note);

}  // namespace dflop
