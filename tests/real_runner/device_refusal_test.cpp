// What a user reads where CUDA gives no device. The codes are those of CUDA's documentation of cudaError_t.
#include "real_runner/cuda/device_refusal.hpp"

#include <gtest/gtest.h>

namespace dflop::cuda {
namespace {

TEST(DeviceRefusal, AUsableDeviceIsNotRefused) { EXPECT_EQ(Refusal({13000, 13010, 0, "no error", 1}), ""); }

TEST(DeviceRefusal, EveryRefusalNamesWhatIsMissing) {
  EXPECT_EQ(Refusal({0, 0, 0, "", 0}), "the CUDA runtime does not start");
  EXPECT_EQ(Refusal({13000, 0, 35, "CUDA driver version is insufficient for CUDA runtime version", 0}),
            "there is no CUDA driver on this machine (libcuda.so.1); a GPU needs one for CUDA 13.0 or later");
  EXPECT_EQ(Refusal({13000, 12040, 35, "CUDA driver version is insufficient for CUDA runtime version", 0}),
            "the driver is too old: it is for CUDA 12.4, this program for CUDA 13.0");
  EXPECT_EQ(Refusal({13000, 13000, 46, "CUDA-capable device(s) is/are busy or unavailable", 1}).substr(0, 40),
            "the GPU is in use by another process tha");
  EXPECT_EQ(Refusal({13000, 13000, 100, "no CUDA-capable device is detected", 0}),
            "there is a driver, but no CUDA device");
  EXPECT_EQ(Refusal({13000, 13000, 0, "no error", 0}), "there is a driver, but no CUDA device");
  EXPECT_EQ(Refusal({13000, 13000, 999, "unknown error", 0}), "CUDA does not start: unknown error");
  EXPECT_EQ(Refusal({13000, 13000, 2, "out of memory", 1}), "CUDA does not start: out of memory");
}

}  // namespace
}  // namespace dflop::cuda
