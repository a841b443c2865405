// A pipeline that goes down the devices and up again, once or several times.
#pragma once

#include "policies/api/schedule_problem.hpp"

namespace dflop {

/// Every other run of stages over the devices is in reverse order (Hanayo, arXiv 2308.15762).
inline Placement InWaves(int devices, int chunks) {
  Placement placement;
  for (int stage = 0; stage < devices * chunks; ++stage) {
    const bool upwards = stage / devices % 2 == 1;
    placement.push_back(upwards ? devices - 1 - stage % devices : stage % devices);
  }
  return placement;
}

/// Two stages a device: device r has r and 2·devices − 1 − r, so the first holds both ends (arXiv 2405.15362).
inline Placement InV(int devices) { return InWaves(devices, 2); }

}  // namespace dflop
