// Values come from a pool of normal numbers made once: drawing each anew would take longer than measuring.
#include "real_runner/cpu/cpu_kernel.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/error.hpp"
#include "base/random.hpp"
#include "real_runner/cpu/denormals.hpp"
#include "real_runner/cpu/machine.hpp"

namespace dflop {
namespace {

constexpr std::size_t kMostSets = 1024;
constexpr std::size_t kLeastSets = 2;
constexpr double kBeyondCache = 1.5;
constexpr float kWeightScale = 0.02F;
constexpr double kValueBytes = sizeof(float);

std::size_t Rounded(std::int64_t values) { return WholeLines(static_cast<std::size_t>(values)); }

std::size_t SetValues(const CpuOperation& operation) {
  std::size_t values = 0;
  for (const CpuTensor& tensor : operation.tensors) {
    if (tensor.updates.empty()) values += Rounded(tensor.values());
  }
  return values;
}

/// Sets for these bytes each: together beyond the cache, within the memory.
std::size_t SetCount(double set_bytes, double cache_bytes, double memory_bytes) {
  if (set_bytes <= 0) return 1;
  if (set_bytes > memory_bytes) {
    throw Unsupported("needs " + cpu::Gigabytes(set_bytes) + " of memory, there are " + cpu::Gigabytes(memory_bytes));
  }
  const double wanted = std::ceil(kBeyondCache * cache_bytes / set_bytes);
  const double possible = std::floor(memory_bytes / set_bytes);
  const double least = std::min(possible, static_cast<double>(kLeastSets));
  return static_cast<std::size_t>(std::clamp(wanted, least, std::min(possible, static_cast<double>(kMostSets))));
}

/// A pool of normal numbers, made once: drawing every value of every tensor would take longer than measuring.
const std::vector<float>& NormalPool() {
  static const std::vector<float> pool = [] {
    constexpr std::size_t kValues = (1 << 18) + 3;  // no multiple of a row's width, so that rows differ
    RandomStream random(1, "kernel inputs");
    std::vector<float> values(kValues);
    for (float& value : values) value = static_cast<float>(random.Normal());
    return values;
  }();
  return pool;
}

void FillNormal(float* data, std::size_t count, std::size_t offset) {
  const std::vector<float>& pool = NormalPool();
  std::size_t at = offset % pool.size();
  for (std::size_t done = 0; done < count;) {
    const std::size_t part = std::min(count - done, pool.size() - at);
    std::memcpy(data + done, pool.data() + at, part * sizeof(float));
    done += part;
    at = 0;
  }
}

void FillTensor(const CpuTensor& tensor, float* data, std::size_t offset) {
  const auto count = static_cast<std::size_t>(tensor.values());
  if (tensor.fill == Fill::kIndex) {
    RandomStream random(offset, "indices");
    for (std::size_t i = 0; i < count; ++i) {
      data[i] = static_cast<float>(random.Below(static_cast<std::uint64_t>(tensor.bound)));
    }
    return;
  }
  if (tensor.fill == Fill::kOutput || tensor.fill == Fill::kWorkspace) {
    std::fill_n(data, count, 0.0F);
    return;
  }
  FillNormal(data, count, offset);
  if (tensor.fill == Fill::kWeight) {
    for (std::size_t i = 0; i < count; ++i) data[i] *= kWeightScale;
  } else if (tensor.fill == Fill::kSquare) {
    for (std::size_t i = 0; i < count; ++i) data[i] *= data[i];
  }
}

bool IsInput(const CpuTensor& tensor) { return tensor.fill != Fill::kOutput && tensor.fill != Fill::kWorkspace; }

}  // namespace

std::int64_t CpuTensor::values() const {
  std::int64_t product = 1;
  for (const std::int64_t size : shape) product *= size;
  return product;
}

CpuKernel::CpuKernel(CpuOperation operation, std::shared_ptr<Arena> arena, double cache_bytes, double memory_bytes,
                     std::string implementation)
    : operation_(std::move(operation)), arena_(std::move(arena)), implementation_(std::move(implementation)) {
  const std::size_t set_values = SetValues(operation_);
  sets_.resize(SetCount(static_cast<double>(set_values) * kValueBytes, cache_bytes, memory_bytes));
  PlaceTensors(arena_->Reserve(set_values * sets_.size()));
  for (std::size_t i = 0; i < sets_.size(); ++i) FillSet(sets_[i], i);
}

void CpuKernel::PlaceTensors(float* memory) {
  for (TensorPointers& set : sets_) {
    for (const CpuTensor& tensor : operation_.tensors) {
      if (tensor.updates.empty()) {
        set.push_back(memory);
        memory += Rounded(tensor.values());
        continue;
      }
      const auto input = std::find_if(operation_.tensors.begin(), operation_.tensors.end(),
                                      [&](const CpuTensor& other) { return other.name == tensor.updates; });
      set.push_back(set[static_cast<std::size_t>(input - operation_.tensors.begin())]);
    }
  }
}

void CpuKernel::FillSet(const TensorPointers& set, std::size_t number) const {
  constexpr std::size_t kTensorStep = 40'009;
  constexpr std::size_t kSetStep = 1009;
  for (std::size_t i = 0; i < set.size(); ++i) {
    if (operation_.tensors[i].updates.empty()) {
      FillTensor(operation_.tensors[i], set[i], i * kTensorStep + number * kSetStep);
    }
  }
  if (operation_.prepare) operation_.prepare(set);
}

void CpuKernel::Launch() {
  operation_.run(sets_[next_]);
  next_ = next_ + 1 == sets_.size() ? 0 : next_ + 1;
}

HostTensor CpuKernel::Read(std::size_t tensor) const {
  const CpuTensor& description = operation_.tensors[tensor];
  const float* data = sets_.front()[tensor];
  return {description.name, description.shape, std::vector<float>(data, data + description.values())};
}

std::vector<HostTensor> CpuKernel::RunOnce() {
  const FlushedDenormals flushed;
  std::vector<HostTensor> tensors;
  for (std::size_t i = 0; i < operation_.tensors.size(); ++i) {
    if (IsInput(operation_.tensors[i])) tensors.push_back(Read(i));  // before the launch: some are updated in place
  }
  operation_.run(sets_.front());
  for (std::size_t i = 0; i < operation_.tensors.size(); ++i) {
    if (operation_.tensors[i].fill == Fill::kOutput) tensors.push_back(Read(i));
  }
  return tensors;
}

}  // namespace dflop
