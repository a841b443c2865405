// Backend `cpu`: one core, fp32, matrix products by OpenBLAS, everything else by the loops of this folder.
#include <cblas.h>

#include <utility>

#include "real_runner/cpu/cpu_kernel.hpp"
#include "real_runner/cpu/denormals.hpp"
#include "real_runner/cpu/machine.hpp"
#include "real_runner/cpu/timed_run.hpp"
#include "real_runner/kernels/backend.hpp"

namespace dflop {
namespace {

// A thread that had its core for less of the time was preempted.
constexpr double kMostLostShare = 0.03;

class CpuBackend final : public Backend {
 public:
  CpuBackend() { openblas_set_num_threads(1); }

  std::string name() const override { return "cpu"; }
  std::string dtype() const override { return "fp32"; }

  DeviceInfo Describe() override {
    DeviceInfo info;
    const std::string model = cpu::ProcValue("/proc/cpuinfo", "model name");
    info.name = (model.empty() ? "unknown processor" : model) + ", one core";
    info.software["openblas"] = openblas_get_config();
    info.software["openblas_core"] = openblas_get_corename();
    info.software["linux"] = cpu::FirstLine("/proc/sys/kernel/osrelease");
    info.software["compiler"] = __VERSION__;
    info.software["clock_mhz"] = cpu::NumberOrZero(cpu::ProcValue("/proc/cpuinfo", "cpu MHz"));
    info.software["threads"] = 1;
    info.software["denormals"] = "flushed to zero";
    info.memory_bytes = cpu::AvailableBytes();
    info.cache_bytes = cache_bytes_;
    return info;
  }

  std::unique_ptr<PreparedKernel> Prepare(const CostRow& row) override {
    const FlushedDenormals flushed;
    CpuOperation operation = MakeCpuOperation(row);
    if (arena_.use_count() > 1) arena_ = std::make_shared<Arena>();  // another kernel is still using it
    const bool blas = row.op == "gemm" || row.op == "layer" || row.op.starts_with("attention");
    return std::make_unique<CpuKernel>(std::move(operation), arena_, cache_bytes_, cpu::AvailableBytes(),
                                       blas ? std::string("openblas ") + openblas_get_corename() : "vectorised loop");
  }

  std::vector<TimedLaunch> Time(PreparedKernel& kernel, int repeats) override {
    const FlushedDenormals flushed;
    std::vector<TimedLaunch> launches;
    launches.reserve(static_cast<std::size_t>(repeats));
    for (int i = 0; i < repeats; ++i) {
      const Span span = cpu::TimeRun([&] { kernel.Launch(); });
      const double seconds = span.end_s - span.start_s;
      launches.push_back({seconds, span.lost_s > kMostLostShare * seconds});
    }
    return launches;
  }

 private:
  double cache_bytes_ = cpu::LastLevelCacheBytes();
  std::shared_ptr<Arena> arena_ = std::make_shared<Arena>();
};

}  // namespace

std::unique_ptr<Backend> MakeCpuBackend() { return std::make_unique<CpuBackend>(); }

}  // namespace dflop
