// Backend `cpu`: one core, fp32, matrix products by OpenBLAS, everything else by the loops of this folder.
#include <cblas.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

#include "real_runner/backend.hpp"
#include "real_runner/cpu/cpu_kernel.hpp"
#include "real_runner/cpu/denormals.hpp"

namespace dflop {
namespace {

// A thread that had its core for less of the time than this was preempted.
constexpr double kUndisturbedShare = 0.97;
constexpr double kMemoryShare = 0.5;  // of what is available: others live here too

double ThreadSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// The value after "key   :" or "key:" in a /proc file, "" when there is none.
std::string ProcValue(const char* path, const std::string& key) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t colon = line.find(':');
    const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
    if (colon != line.npos && begin != line.npos) return line.substr(begin);
  }
  return "";
}

std::string FirstLine(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

double NumberOrZero(const std::string& text) {
  double value = 0;
  std::istringstream(text) >> value;
  return value;
}

/// The largest cache of the first core, from sysfs ("32768K").
double LastLevelCacheBytes() {
  constexpr double kAssumed = 32 * 1024 * 1024;  // where sysfs tells nothing, as in some containers
  double largest = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/devices/system/cpu/cpu0/cache", error)) {
    const std::string text = FirstLine(entry.path() / "size");
    const double unit = text.ends_with('K') ? 1024 : text.ends_with('M') ? 1024 * 1024 : 1;
    largest = std::max(largest, NumberOrZero(text) * unit);
  }
  return largest > 0 ? largest : kAssumed;
}

/// What the kernel calls available, within the limit of a container.
double AvailableBytes() {
  double bytes = 1024 * NumberOrZero(ProcValue("/proc/meminfo", "MemAvailable"));
  const double limit = NumberOrZero(FirstLine("/sys/fs/cgroup/memory.max"));
  const double used = NumberOrZero(FirstLine("/sys/fs/cgroup/memory.current"));
  if (limit > 0) bytes = std::min(bytes, std::max(0.0, limit - used));
  return kMemoryShare * bytes;
}

class CpuBackend final : public Backend {
 public:
  CpuBackend() { openblas_set_num_threads(1); }

  std::string name() const override { return "cpu"; }
  std::string dtype() const override { return "fp32"; }

  DeviceInfo Describe() override {
    DeviceInfo info;
    const std::string model = ProcValue("/proc/cpuinfo", "model name");
    info.name = (model.empty() ? "unknown processor" : model) + ", one core";
    info.software["openblas"] = openblas_get_config();
    info.software["openblas_core"] = openblas_get_corename();
    info.software["linux"] = FirstLine("/proc/sys/kernel/osrelease");
    info.software["compiler"] = __VERSION__;
    info.software["clock_mhz"] = NumberOrZero(ProcValue("/proc/cpuinfo", "cpu MHz"));
    info.software["threads"] = 1;
    info.software["denormals"] = "flushed to zero";
    info.memory_bytes = AvailableBytes();
    info.cache_bytes = cache_bytes_;
    return info;
  }

  std::unique_ptr<PreparedKernel> Prepare(const CostRow& row) override {
    const FlushedDenormals flushed;
    CpuOperation operation = MakeCpuOperation(row);
    if (arena_.use_count() > 1) arena_ = std::make_shared<Arena>();  // another kernel is still using it
    const bool blas = row.op == "gemm" || row.op == "layer" || row.op.starts_with("attention");
    return std::make_unique<CpuKernel>(std::move(operation), arena_, cache_bytes_, AvailableBytes(),
                                       blas ? std::string("openblas ") + openblas_get_corename() : "vectorised loop");
  }

  std::vector<TimedLaunch> Time(PreparedKernel& kernel, int repeats) override {
    const FlushedDenormals flushed;
    std::vector<TimedLaunch> launches;
    launches.reserve(static_cast<std::size_t>(repeats));
    for (int i = 0; i < repeats; ++i) {
      const double processor_start = ThreadSeconds();
      const auto start = std::chrono::steady_clock::now();
      kernel.Launch();
      const auto end = std::chrono::steady_clock::now();
      const double processor = ThreadSeconds() - processor_start;
      const double wall = std::chrono::duration<double>(end - start).count();
      launches.push_back({wall, processor < kUndisturbedShare * wall});
    }
    return launches;
  }

 private:
  double cache_bytes_ = LastLevelCacheBytes();
  std::shared_ptr<Arena> arena_ = std::make_shared<Arena>();
};

}  // namespace

std::unique_ptr<Backend> MakeCpuBackend() { return std::make_unique<CpuBackend>(); }

}  // namespace dflop
