// What is not known is left out: without NVML there are neither clocks nor power.
#include "real_runner/cuda/device_info.hpp"

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <array>

#include "real_runner/cuda/check.hpp"
#include "real_runner/cuda/collectives.hpp"
#include "real_runner/cuda/device_refusal.hpp"

namespace dflop::cuda {
namespace {

static_assert(kSuccess == cudaSuccess && kInsufficientDriver == cudaErrorInsufficientDriver);
static_assert(kDevicesUnavailable == cudaErrorDevicesUnavailable && kNoDevice == cudaErrorNoDevice);

/// NVML by hand: neither its header nor its library need be there when this is built, nor the library when it runs.
class Nvml {
 public:
  Nvml() : library_(dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL)) {
    if (library_ == nullptr) return;
    const auto start = Function<int (*)()>("nvmlInit_v2");
    const auto find = Function<int (*)(const char*, void**)>("nvmlDeviceGetHandleByPciBusId_v2");
    std::array<char, 32> bus{};
    int device = 0;
    if (start == nullptr || find == nullptr || start() != 0 || cudaGetDevice(&device) != cudaSuccess ||
        cudaDeviceGetPCIBusId(bus.data(), static_cast<int>(bus.size()), device) != cudaSuccess ||
        find(bus.data(), &device_) != 0) {
      device_ = nullptr;
    }
  }
  ~Nvml() {
    if (library_ == nullptr) return;
    if (const auto stop = Function<int (*)()>("nvmlShutdown")) stop();
    dlclose(library_);
  }
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  void Describe(Json& software) const {
    if (device_ == nullptr) return;
    AddDriver(software);
    constexpr int kSmClock = 1, kMemoryClock = 2;  // nvmlClockType_t
    AddClock(software, "sm_clock_mhz", "nvmlDeviceGetClockInfo", kSmClock);
    AddClock(software, "sm_clock_max_mhz", "nvmlDeviceGetMaxClockInfo", kSmClock);
    AddClock(software, "memory_clock_mhz", "nvmlDeviceGetClockInfo", kMemoryClock);
    unsigned milliwatts = 0;
    const auto limit = Function<int (*)(void*, unsigned*)>("nvmlDeviceGetEnforcedPowerLimit");
    if (limit != nullptr && limit(device_, &milliwatts) == 0) software["power_limit_w"] = milliwatts / 1000.0;
    const auto power = Function<int (*)(void*, unsigned*)>("nvmlDeviceGetPowerUsage");
    if (power != nullptr && power(device_, &milliwatts) == 0) software["power_w"] = milliwatts / 1000.0;
  }

 private:
  template <typename Type>
  Type Function(const char* name) const {
    return reinterpret_cast<Type>(dlsym(library_, name));
  }
  void AddDriver(Json& software) const {
    std::array<char, 96> version{};
    const auto get = Function<int (*)(char*, unsigned)>("nvmlSystemGetDriverVersion");
    if (get != nullptr && get(version.data(), static_cast<unsigned>(version.size())) == 0) {
      software["driver"] = std::string(version.data());
    }
  }
  void AddClock(Json& software, const char* key, const char* function, int clock) const {
    unsigned mhz = 0;
    const auto get = Function<int (*)(void*, int, unsigned*)>(function);
    if (get != nullptr && get(device_, clock, &mhz) == 0) software[key] = static_cast<int>(mhz);
  }

  void* library_;
  void* device_ = nullptr;
};

}  // namespace

std::string WhyNoDevice() {
  DeviceProbe probe;
  if (cudaRuntimeGetVersion(&probe.runtime) != cudaSuccess) probe.runtime = 0;
  if (cudaDriverGetVersion(&probe.driver) != cudaSuccess) probe.driver = 0;
  cudaError_t status = cudaGetDeviceCount(&probe.devices);
  // A device that another process has to itself is counted all the same: only its first use tells.
  if (status == cudaSuccess && probe.devices > 0) status = cudaFree(nullptr);
  probe.status = status;
  probe.status_text = cudaGetErrorString(status);
  return Refusal(probe);
}

DeviceInfo DescribeDevice() {
  int device = 0, count = 0, driver = 0, runtime = 0;
  DFLOP_CUDA_CHECK(cudaGetDevice(&device));
  DFLOP_CUDA_CHECK(cudaGetDeviceCount(&count));
  DFLOP_CUDA_CHECK(cudaDriverGetVersion(&driver));
  DFLOP_CUDA_CHECK(cudaRuntimeGetVersion(&runtime));
  cudaDeviceProp properties{};
  DFLOP_CUDA_CHECK(cudaGetDeviceProperties(&properties, device));

  DeviceInfo info;
  info.name = properties.name;
  info.memory_bytes = static_cast<double>(properties.totalGlobalMem);
  info.cache_bytes = properties.l2CacheSize;
  info.devices = count;
  Json& software = info.software;
  software["driver_cuda"] = CudaVersion(driver);
  software["cuda_runtime"] = CudaVersion(runtime);
  const auto blas = static_cast<std::int64_t>(cublasLtGetVersion());
  software["cublas"] = blas;
  if (const std::string version = CollectivesVersion(); !version.empty()) software["nccl"] = version;
  software["compute_capability"] = std::to_string(properties.major) + "." + std::to_string(properties.minor);
  software["multiprocessors"] = properties.multiProcessorCount;
  Nvml().Describe(software);
  return info;
}

}  // namespace dflop::cuda
