// The backend "cuda" and the function by which the program that opens this plug-in gets it.
#include <cstdio>

#include "real_runner/cuda/collectives.hpp"
#include "real_runner/cuda/device_info.hpp"
#include "real_runner/cuda/operations.hpp"

namespace dflop::cuda {

bool IsCollective(const std::string& op) {
  for (const char* name : {"all_reduce", "reduce_scatter", "all_gather", "all_to_all", "send_recv"}) {
    if (op == name) return true;
  }
  return false;
}

namespace {

class CudaBackend final : public Backend {
 public:
  std::string name() const override { return "cuda"; }
  std::string dtype() const override { return "bf16"; }
  DeviceInfo Describe() override { return DescribeDevice(); }

  std::unique_ptr<PreparedKernel> Prepare(const CostRow& row) override {
    if (IsCollective(row.op)) return PrepareCollective(row);
    std::unique_ptr<CudaKernel> kernel =
        row.op == "layer" ? PrepareLayer(device_, row) : PrepareOperation(device_, row);
    device_.Synchronize();  // what its preparation did wrong shows here, not in the first launch
    return kernel;
  }

  std::vector<TimedLaunch> Time(PreparedKernel& kernel, int repeats) override {
    auto* const own = dynamic_cast<CudaKernel*>(&kernel);
    DFLOP_CHECK(own != nullptr, "a kernel of another backend");
    return own->Time(repeats);
  }

 private:
  Device device_;
};

}  // namespace
}  // namespace dflop::cuda

extern "C" dflop::Backend* dflop_make_cuda_backend(char* why, int size) {
  const auto refuse = [&](const std::string& reason) -> dflop::Backend* {
    std::snprintf(why, static_cast<std::size_t>(size), "%s", reason.c_str());
    return nullptr;
  };
  try {
    if (const std::string reason = dflop::cuda::WhyNoDevice(); !reason.empty()) return refuse(reason);
    return new dflop::cuda::CudaBackend();
  } catch (const std::exception& error) {  // e.g. a device in exclusive use, or full
    return refuse(std::string("device 0 cannot be used: ") + error.what());
  }
}
