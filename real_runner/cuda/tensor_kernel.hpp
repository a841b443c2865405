// A kernel with its tensors: several sets of them, so that consecutive launches find nothing in the cache.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "real_runner/cuda/device.hpp"
#include "real_runner/cuda/timing.hpp"
#include "real_runner/kernels/backend.hpp"

namespace dflop::cuda {

/// What the backend prepares: knows how it wants to be timed.
class CudaKernel : public PreparedKernel {
 public:
  virtual std::vector<TimedLaunch> Time(int repeats) = 0;
};

enum class ElementType { kBf16, kFloat, kInt32 };

enum class Role {
  kInput,
  kUpdated,      ///< read and overwritten; RunOnce names the new value <name>_new
  kOutput,       ///< poisoned before RunOnce, so that a value that is not written shows as NaN
  kAccumulated,  ///< an output that is added to: zero before RunOnce
  kScratch,      ///< not shown
};

/// Filled with uniform random numbers in [shift − scale, shift + scale]; integers in {0, …, bound − 1}.
struct TensorSpec {
  std::string name;
  std::vector<std::int64_t> shape;
  Role role = Role::kInput;
  ElementType type = ElementType::kBf16;
  float scale = 1;
  float shift = 0;
  std::int32_t bound = 1;

  std::int64_t count() const;
  std::int64_t bytes() const;
};

/// The tensors of one set, in the order of the specs.
using Tensors = std::vector<void*>;

class TensorKernel final : public CudaKernel {
 public:
  using LaunchFunction = std::function<void(const Tensors&)>;

  /// Allocates and fills as many sets as exceed twice the device's cache. Unsupported when they do not fit.
  TensorKernel(Device& device, std::vector<TensorSpec> specs);

  /// What a launch does, and what it is called.
  void Run(LaunchFunction launch, std::string implementation);
  /// For what must happen to each set before launches make sense.
  void ForEachSet(const LaunchFunction& body);
  /// The tensors of the next set in turn.
  const Tensors& Next();

  void Launch() override { launch_(Next()); }
  std::string implementation() const override { return implementation_; }
  std::vector<HostTensor> RunOnce() override;
  std::vector<TimedLaunch> Time(int repeats) override;

 private:
  const Tensors& Select(std::int64_t set);
  HostTensor ToHost(std::size_t tensor, const std::string& name) const;

  Device& device_;
  std::vector<TensorSpec> specs_;
  std::vector<DeviceBuffer> arenas_;   ///< of each tensor, all sets
  std::vector<std::int64_t> strides_;  ///< bytes between sets
  std::int64_t sets_ = 1;
  std::int64_t next_ = 0;
  Tensors selected_;
  LaunchFunction launch_;
  std::string implementation_;
  LaunchTimer timer_;
};

}  // namespace dflop::cuda
