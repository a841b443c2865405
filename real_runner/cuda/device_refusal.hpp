// What CUDA says when it is first asked for a device, in words that name the remedy. Knows no CUDA header, so that a
// machine without CUDA can test it.
#pragma once

#include <string>

namespace dflop::cuda {

/// Codes of cudaError_t (device_info.cpp checks that they are).
inline constexpr int kSuccess = 0;
inline constexpr int kInsufficientDriver = 35;
inline constexpr int kDevicesUnavailable = 46;
inline constexpr int kNoDevice = 100;

/// What the first calls into CUDA gave. Versions as CUDA counts them: 12040 is 12.4; 0 = there is none.
struct DeviceProbe {
  int runtime = 0;
  int driver = 0;
  int status = kSuccess;    ///< of counting the devices
  std::string status_text;  ///< CUDA's own words for it
  int devices = 0;
};

inline std::string CudaVersion(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

/// Why no device can be used; empty when one can.
inline std::string Refusal(const DeviceProbe& probe) {
  if (probe.runtime == 0) return "the CUDA runtime does not start";
  if (probe.driver == 0) {
    return "there is no CUDA driver on this machine (libcuda.so.1); a GPU needs one for CUDA " +
           CudaVersion(probe.runtime) + " or later";
  }
  if (probe.status == kInsufficientDriver) {
    return "the driver is too old: it is for CUDA " + CudaVersion(probe.driver) + ", this program for CUDA " +
           CudaVersion(probe.runtime);
  }
  if (probe.status == kDevicesUnavailable) {
    return "the GPU is in use by another process that has it to itself, or set to admit none (nvidia-smi shows both)";
  }
  if (probe.status == kNoDevice || (probe.status == kSuccess && probe.devices == 0)) {
    return "there is a driver, but no CUDA device";
  }
  if (probe.status != kSuccess) return "CUDA does not start: " + probe.status_text;
  return "";
}

}  // namespace dflop::cuda
