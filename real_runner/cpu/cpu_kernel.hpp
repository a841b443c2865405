// A prepared operation of the CPU backend: sets of tensors in one block of memory, used in turn.
#pragma once

#include <memory>
#include <vector>

#include "real_runner/cpu/arena.hpp"
#include "real_runner/cpu/cpu_operation.hpp"
#include "real_runner/kernels/backend.hpp"

namespace dflop {

class CpuKernel final : public PreparedKernel {
 public:
  /// `cache_bytes`: the sets together exceed it, as far as a thousand sets can. Throws Unsupported when a single set
  /// exceeds `memory_bytes`.
  CpuKernel(CpuOperation operation, std::shared_ptr<Arena> arena, double cache_bytes, double memory_bytes,
            std::string implementation);

  void Launch() override;
  std::string implementation() const override { return implementation_; }
  std::vector<HostTensor> RunOnce() override;

 private:
  void PlaceTensors(float* memory);
  void FillSet(const TensorPointers& set, std::size_t number) const;
  HostTensor Read(std::size_t tensor) const;

  CpuOperation operation_;
  std::shared_ptr<Arena> arena_;
  std::string implementation_;
  std::vector<TensorPointers> sets_;
  std::size_t next_ = 0;
};

}  // namespace dflop
