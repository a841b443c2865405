// The numbers behind a timeline, for the page's script: what it draws when a reader looks closer, and what it says of
// the event or the wait under the pointer.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "experiments/results/picture.hpp"

namespace dflop {

/// JSON of the same panels and rows that PipelineChart draws; timeline.js tells what stands where. Safe inside an
/// element of HTML: no "<" stands in it.
std::string TimelineData(const std::vector<const StepPicture*>& pictures, std::size_t most_events);

}  // namespace dflop
