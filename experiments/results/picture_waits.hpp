// What every wait of a stored step was for, and the chain of events that its length comes from.
//
// Both go by time alone, which the simulator keeps to the last bit: an event begins at the very moment at which the
// last thing that it waits for ends. Nothing is guessed: where no event ends at that moment, there is no link.
#pragma once

#include <vector>

#include "experiments/results/picture.hpp"

namespace dflop {

/// A stretch in which a device group computes nothing.
struct PictureWait {
  int group = 0;
  double start_s = 0;
  double end_s = 0;
  int next = -1;   ///< event that the group goes on with; −1: the step ends
  int cause = -1;  ///< event whose end let it go on, or the last of the step; −1: none in the picture
};

/// Group by group in the order of their numbers, each in the order of time.
std::vector<PictureWait> WaitsOf(const StepPicture& picture);

/// Events from the first to the last of the step, each of which begins when the one before ends. Empty where a link is
/// missing: of devices that are not drawn, or of a measured step, whose times have gaps.
std::vector<int> CriticalPath(const StepPicture& picture);

}  // namespace dflop
