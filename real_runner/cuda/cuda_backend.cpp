// The backend "cuda" and the function by which the program that opens this plug-in gets it.
#include <cstdio>
#include <memory>
#include <vector>

#include "real_runner/cuda/busy_neighbours.hpp"
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
  CudaBackend() : device_(std::make_unique<Device>()) {}
  /// The first of several parts of the device, among neighbours in the others.
  explicit CudaBackend(const BackendOptions& options)
      : parts_(SplitDevice(options.ranks)), busy_(options.busy_neighbours) {
    device_ = std::make_unique<Device>(parts_.front()->NewStream(), parts_.front()->multiprocessors());
    if (busy_) neighbours_ = std::make_unique<BusyNeighbours>(parts_);
  }

  std::string name() const override { return "cuda"; }
  std::string dtype() const override { return "bf16"; }
  DeviceInfo Describe() override {
    DeviceInfo info = DescribeDevice();
    if (parts_.empty()) return info;
    const auto parts = static_cast<int>(parts_.size());
    info.name += ", part 1 of " + std::to_string(parts) + (busy_ ? ", the others busy" : ", the others idle");
    info.software["part_multiprocessors"] = parts_.front()->multiprocessors();
    info.memory_bytes /= parts;
    info.devices = 1;
    return info;
  }

  std::unique_ptr<PreparedKernel> Prepare(const CostRow& row) override {
    if (IsCollective(row.op)) return PrepareCollective(row);
    std::unique_ptr<CudaKernel> kernel =
        row.op == "layer" ? PrepareLayer(*device_, row) : PrepareOperation(*device_, row);
    device_->Synchronize();  // what its preparation did wrong shows here, not in the first launch
    return kernel;
  }

  std::vector<TimedLaunch> Time(PreparedKernel& kernel, int repeats) override {
    auto* const own = dynamic_cast<CudaKernel*>(&kernel);
    DFLOP_CHECK(own != nullptr, "a kernel of another backend");
    return own->Time(repeats);
  }

 private:
  std::vector<std::unique_ptr<Partition>> parts_;  ///< empty: the whole device
  bool busy_ = false;
  std::unique_ptr<Device> device_;
  std::unique_ptr<BusyNeighbours> neighbours_;
};

bool IsOnlyGpu() {
  int count = 0;
  DFLOP_CUDA_CHECK(cudaGetDeviceCount(&count));
  return count == 1;
}

}  // namespace
}  // namespace dflop::cuda

extern "C" dflop::Backend* dflop_make_cuda_backend(const dflop::BackendOptions& options, char* why, int size) {
  const auto refuse = [&](const std::string& reason) -> dflop::Backend* {
    std::snprintf(why, static_cast<std::size_t>(size), "%s", reason.c_str());
    return nullptr;
  };
  try {
    if (options.ranks > 1) dflop::cuda::AllowConcurrentStreams();
    if (const std::string reason = dflop::cuda::WhyNoDevice(); !reason.empty()) return refuse(reason);
    if (options.ranks > 1 && dflop::cuda::IsOnlyGpu()) return new dflop::cuda::CudaBackend(options);
    return new dflop::cuda::CudaBackend();
  } catch (const std::exception& error) {  // e.g. a device in exclusive use, or full
    return refuse(std::string("device 0 cannot be used: ") + error.what());
  }
}
