// What the `cpu` worker does not do, each with what to change in the experiment.
#include <algorithm>
#include <map>

#include "real_runner/cpu/machine.hpp"
#include "real_runner/cpu/stage_parameters.hpp"
#include "real_runner/cpu_worker.hpp"

namespace dflop {
namespace {

constexpr double kTrainedBytes = 16;  // weight, gradient and two moments, all fp32
constexpr double kFrozenBytes = 4;

std::string WhyLayout(const Layout& layout) {
  for (const Stage& stage : layout.stages) {
    for (const ModulePart& part : stage.parts) {
      if (part.data_split > 1) {
        return "the cpu backend does not divide an encoder inside a device group; plan without encoder_tp";
      }
      if (part.tensor_parallel > 1) {
        return "the cpu backend has one core per device group, no tensor parallelism; plan with tp 1";
      }
    }
  }
  return "";
}

std::string WhySoftware(const SoftwareStack& software) {
  if (software.recompute == Recompute::kSelective) {
    return R"(the cpu backend's attention keeps no scores to recompute; set "recompute" to "none" or "full")";
  }
  if (software.attention == AttentionKind::kUnfused) {
    return R"(the cpu backend has fused attention only; set "attention" to "flash")";
  }
  if (software.packing == Packing::kPadded) {
    return R"(the cpu backend packs sequences without padding; set "packing" to "packed")";
  }
  if (software.distributed_optimizer) {
    return R"(the cpu backend keeps whole optimizer states; set "distributed_optimizer" to false)";
  }
  if (software.dropout > 0) return R"(the cpu backend has no dropout; set "dropout" to 0)";
  return "";
}

std::string WhyMemory(const Plan& plan) {
  std::map<int, double> bytes;
  double most = 0;
  for (const Stage& stage : plan.layout.stages) {
    for (const ModulePart& part : stage.parts) {
      for (const cpu::ParameterShape& shape : cpu::ParametersOf(plan.model, part)) {
        const double each = shape.trainable ? kTrainedBytes : kFrozenBytes;
        bytes[stage.group] += each * static_cast<double>(shape.values());
      }
    }
    most = std::max(most, bytes[stage.group]);
  }
  const double available = cpu::AvailableBytes();
  if (most <= available) return "";
  return "weights, gradients and optimizer state of one rank need " + cpu::Gigabytes(most) +
         " of memory, this machine gives " + cpu::Gigabytes(available) +
         "; choose a smaller model or more pipeline stages";
}

}  // namespace

std::string WhyCpuCannot(const Plan& plan) {
  for (const std::string& why : {WhyLayout(plan.layout), WhySoftware(plan.software)}) {
    if (!why.empty()) return why;
  }
  return WhyMemory(plan);
}

}  // namespace dflop
