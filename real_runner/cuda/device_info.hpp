// What the device and the software on it are, for the trace's header.
#pragma once

#include "real_runner/kernels/backend.hpp"

namespace dflop::cuda {

/// Why no CUDA device can be used here; empty when device 0 can.
std::string WhyNoDevice();

/// Of the current device. Clocks and power come from NVML, if its library is there.
DeviceInfo DescribeDevice();

}  // namespace dflop::cuda
