// Sets of tensors lie at equal strides in an arena per tensor; outputs are poisoned before they are looked at.
#include "real_runner/cuda/tensor_kernel.hpp"

#include <algorithm>
#include <cstring>

#include "real_runner/cuda/kernels.hpp"

namespace dflop::cuda {
namespace {

constexpr std::int64_t kAlignment = 256;
constexpr std::int64_t kMaxSets = 4096;  // beyond it host and device lose more time in filling than the rows cost
constexpr int kPoison = 0xFF;            // every bf16 and float of these bytes is a NaN

std::int64_t Aligned(std::int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

int ElementBytes(ElementType type) { return type == ElementType::kBf16 ? 2 : 4; }

void Fill(const TensorSpec& spec, void* data, std::int64_t bytes, std::uint64_t seed, cudaStream_t stream) {
  const std::int64_t count = bytes / ElementBytes(spec.type);
  if (spec.type == ElementType::kInt32) {
    FillIndices(static_cast<std::int32_t*>(data), count, spec.bound, seed, stream);
  } else if (spec.type == ElementType::kFloat) {
    FillUniform(static_cast<float*>(data), count, spec.scale, spec.shift, seed, stream);
  } else {
    FillUniform(static_cast<Bf16*>(data), count, spec.scale, spec.shift, seed, stream);
  }
}

float FromBf16(std::uint16_t bits) {
  const std::uint32_t wide = std::uint32_t{bits} << 16;
  float value = 0;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

bool IsInput(Role role) { return role == Role::kInput || role == Role::kUpdated; }

bool IsOutput(Role role) { return role == Role::kOutput || role == Role::kAccumulated || role == Role::kUpdated; }

}  // namespace

std::int64_t TensorSpec::count() const {
  std::int64_t product = 1;
  for (const std::int64_t size : shape) product *= size;
  return product;
}

std::int64_t TensorSpec::bytes() const { return count() * ElementBytes(type); }

TensorKernel::TensorKernel(Device& device, std::vector<TensorSpec> specs) : device_(device), specs_(std::move(specs)) {
  std::int64_t set_bytes = 0;
  for (const TensorSpec& spec : specs_) set_bytes += Aligned(spec.bytes());
  const std::int64_t wanted = 2 * device.cache_bytes() / std::max<std::int64_t>(set_bytes, 1) + 1;
  sets_ = std::clamp<std::int64_t>(wanted, 1, kMaxSets);
  if (set_bytes > 2 * device.cache_bytes()) sets_ = 1;  // one set pushes itself out of the cache
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    strides_.push_back(Aligned(specs_[i].bytes()));
    arenas_.emplace_back(strides_[i] * sets_);
    Fill(specs_[i], arenas_[i].data(), arenas_[i].bytes(), device.NextSeed(), device.stream());
  }
  selected_.resize(specs_.size());
}

void TensorKernel::Run(LaunchFunction launch, std::string implementation) {
  launch_ = std::move(launch);
  implementation_ = std::move(implementation);
}

void TensorKernel::ForEachSet(const LaunchFunction& body) {
  for (std::int64_t set = 0; set < sets_; ++set) body(Select(set));
}

const Tensors& TensorKernel::Next() {
  const std::int64_t set = next_;
  next_ = (next_ + 1) % sets_;
  return Select(set);
}

const Tensors& TensorKernel::Select(std::int64_t set) {
  for (std::size_t i = 0; i < arenas_.size(); ++i) {
    selected_[i] = static_cast<char*>(arenas_[i].data()) + set * strides_[i];
  }
  return selected_;
}

std::vector<HostTensor> TensorKernel::RunOnce() {
  std::vector<HostTensor> shown;
  device_.Synchronize();
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    void* const data = arenas_[i].data();  // of set 0
    const auto bytes = static_cast<std::size_t>(specs_[i].bytes());
    if (IsInput(specs_[i].role)) shown.push_back(ToHost(i, specs_[i].name));
    if (specs_[i].role == Role::kOutput) DFLOP_CUDA_CHECK(cudaMemsetAsync(data, kPoison, bytes, device_.stream()));
    if (specs_[i].role == Role::kAccumulated) DFLOP_CUDA_CHECK(cudaMemsetAsync(data, 0, bytes, device_.stream()));
  }
  launch_(Select(0));
  device_.Synchronize();
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    const char* const suffix = specs_[i].role == Role::kUpdated ? "_new" : "";
    if (IsOutput(specs_[i].role)) shown.push_back(ToHost(i, specs_[i].name + suffix));
  }
  return shown;
}

HostTensor TensorKernel::ToHost(std::size_t tensor, const std::string& name) const {
  const TensorSpec& spec = specs_[tensor];
  std::vector<char> bytes(static_cast<std::size_t>(spec.bytes()));
  DFLOP_CUDA_CHECK(cudaMemcpy(bytes.data(), arenas_[tensor].data(), bytes.size(), cudaMemcpyDeviceToHost));
  HostTensor host{name, spec.shape, {}};
  host.values.reserve(static_cast<std::size_t>(spec.count()));
  for (std::size_t at = 0; at < bytes.size(); at += static_cast<std::size_t>(ElementBytes(spec.type))) {
    if (spec.type == ElementType::kBf16) {
      std::uint16_t value = 0;
      std::memcpy(&value, &bytes[at], sizeof value);
      host.values.push_back(FromBf16(value));
    } else if (spec.type == ElementType::kFloat) {
      float value = 0;
      std::memcpy(&value, &bytes[at], sizeof value);
      host.values.push_back(value);
    } else {
      std::int32_t value = 0;
      std::memcpy(&value, &bytes[at], sizeof value);
      host.values.push_back(static_cast<float>(value));  // exact below 2^24, as every vocabulary is
    }
  }
  return host;
}

std::vector<TimedLaunch> TensorKernel::Time(int repeats) {
  return timer_.Time(
      device_.stream(), [&] { Launch(); }, repeats);
}

}  // namespace dflop::cuda
