// What the `cpu` worker does not do, each with what to change in the experiment.
#include "real_runner/training/refusal.hpp"

#include <algorithm>

#include "real_runner/cpu/machine.hpp"
#include "real_runner/execute/cpu_worker.hpp"

namespace dflop {
namespace {

constexpr training::ParameterBytes kBytes = {16, 4};  // trained: weight, gradient and two moments, all fp32

std::string WhyMemory(const Plan& plan) {
  const std::vector<double> bytes = training::BytesOfParameters(plan, kBytes);
  const std::vector<double> activations = training::LeastBytesOfActivations(plan, sizeof(float));
  const double most = *std::max_element(bytes.begin(), bytes.end());
  const double available = cpu::AvailableBytes();
  for (std::size_t rank = 0; rank < bytes.size(); ++rank) {
    if (most > available || bytes[rank] + activations[rank] <= available) continue;
    return "the largest microbatch of rank " + std::to_string(rank) + " keeps activations of at least " +
           cpu::Gigabytes(activations[rank]) + " beside " + cpu::Gigabytes(bytes[rank]) +
           " of weights and their states, this machine gives " + cpu::Gigabytes(available) +
           "; choose smaller microbatches or more pipeline stages";
  }
  if (most <= available) return "";
  return "weights, gradients and optimizer state of one rank need " + cpu::Gigabytes(most) +
         " of memory, this machine gives " + cpu::Gigabytes(available) +
         "; choose a smaller model or more pipeline stages";
}

}  // namespace

std::string WhyCpuCannot(const Plan& plan) {
  const std::string why = training::WhyCannot(plan, "cpu");
  return why.empty() ? WhyMemory(plan) : why;
}

}  // namespace dflop
