#include "real_runner/training/refusal.hpp"

#include "real_runner/training/parameter_list.hpp"

namespace dflop::training {
namespace {

std::string WhyLayout(const Layout& layout, const std::string& the_backend) {
  for (const Stage& stage : layout.stages) {
    for (const ModulePart& part : stage.parts) {
      if (part.data_split > 1) {
        return the_backend + " does not divide an encoder inside a device group; plan without encoder_tp";
      }
      if (part.tensor_parallel > 1) {
        return the_backend + " has one device per device group, no tensor parallelism; plan with tp 1";
      }
    }
  }
  return "";
}

std::string WhySoftware(const SoftwareStack& software, const std::string& the_backend) {
  if (software.recompute == Recompute::kSelective) {
    return the_backend + R"('s attention keeps no scores to recompute; set "recompute" to "none" or "full")";
  }
  if (software.attention == AttentionKind::kUnfused) {
    return the_backend + R"( has fused attention only; set "attention" to "flash")";
  }
  if (software.packing == Packing::kPadded) {
    return the_backend + R"( packs sequences without padding; set "packing" to "packed")";
  }
  if (software.distributed_optimizer) {
    return the_backend + R"( keeps whole optimizer states; set "distributed_optimizer" to false)";
  }
  if (software.dropout > 0) return the_backend + R"( has no dropout; set "dropout" to 0)";
  return "";
}

}  // namespace

std::string WhyCannot(const Plan& plan, const std::string& backend) {
  const std::string the_backend = "the " + backend + " backend";
  const std::string why = WhyLayout(plan.layout, the_backend);
  return why.empty() ? WhySoftware(plan.software, the_backend) : why;
}

std::vector<double> BytesOfParameters(const Plan& plan, const ParameterBytes& each) {
  std::vector<double> bytes(plan.layout.groups.size());
  for (const Stage& stage : plan.layout.stages) {
    for (const ModulePart& part : stage.parts) {
      for (const ParameterShape& shape : ParametersOf(plan.model, part)) {
        bytes[static_cast<std::size_t>(stage.group)] +=
            (shape.trainable ? each.trained : each.frozen) * static_cast<double>(shape.values());
      }
    }
  }
  return bytes;
}

}  // namespace dflop::training
