// A pipeline that goes down the devices and up again.
#pragma once

#include "policies/api/schedule_problem.hpp"

namespace dflop {

/// Two stages a device: device r has r and 2·devices − 1 − r, so the first holds both ends (arXiv 2405.15362).
inline Placement InV(int devices) {
  Placement placement(2 * Index(devices));
  for (int device = 0; device < devices; ++device) {
    placement[Index(device)] = device;
    placement[placement.size() - 1 - Index(device)] = device;
  }
  return placement;
}

}  // namespace dflop
