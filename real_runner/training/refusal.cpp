// Bytes of activations are a lower bound: what does not fit by them cannot fit.
#include "real_runner/training/refusal.hpp"

#include <algorithm>

#include "base/index.hpp"
#include "models/plain_layers.hpp"
#include "real_runner/training/parameter_list.hpp"

namespace dflop::training {
namespace {

std::string WhyLayout(const Layout& layout, const std::string& the_backend) {
  if (layout.splits > 1) {
    return the_backend + " keeps no keys and values of a sequence's earlier parts, which the " +
           std::to_string(layout.splits) + " splits of the layout attend to; the spin backend runs their times";
  }
  for (const Stage& stage : layout.stages) {
    for (const ModulePart& part : stage.parts) {
      if (part.mesh.data_split > 1) {
        return the_backend + " does not divide an encoder inside a device group; plan without encoder_tp";
      }
      if (part.mesh.cp > 1) return the_backend + " has no context parallelism; plan with cp 1";
      if (part.mesh.tp > 1) {
        return the_backend + " has one device per device group, no tensor parallelism; plan with tp 1";
      }
    }
  }
  return "";
}

std::string WhyLayers(const ModelSpec& model, const std::string& the_backend) {
  for (int module = 0; module < model.module_count(); ++module) {
    const std::string key = KeyBeyondPlainLayers(model, module);
    if (key.empty()) continue;
    std::string why = the_backend + " runs plain layers only; ";
    why.append(model.module_name(module)).append(" has ").append(JsonQuote(key));
    return why;
  }
  return "";
}

std::string WhySoftware(const SoftwareStack& software, const std::string& the_backend) {
  if (software.packed_values() > 1) return the_backend + R"( multiplies 16 bits; set "precision" to "bf16")";
  if (software.recompute == Recompute::kFull && software.recompute_share < 1) {
    return the_backend + R"( recomputes all layers or none; set "recompute_share" to 1)";
  }
  if (software.recompute == Recompute::kSelective) {
    return the_backend + R"('s attention keeps no scores to recompute; set "recompute" to "none" or "full")";
  }
  if (software.attention == AttentionKind::kUnfused) {
    return the_backend + R"( has fused attention only; set "attention" to "flash")";
  }
  if (software.packing == Packing::kPadded) {
    return the_backend + R"( packs sequences without padding; set "packing" to "packed")";
  }
  if (software.shards()) {
    return the_backend + R"( keeps whole optimizer states; set "distributed_optimizer" to false)";
  }
  if (software.dropout > 0) return the_backend + R"( has no dropout; set "dropout" to 0)";
  return "";
}

/// Tokens of the part's module in microbatch k of the step.
double TokensOf(const Plan& plan, const PlannedStep& step, const Stage& stage, const ModulePart& part, int k) {
  double tokens = 0;
  for (const int sample : SamplesIn(step.plan, plan.layout, part.module, stage.replica, k)) {
    const SampleShape& shape = step.batch[Index(sample)];
    tokens += plan.model.is_llm(part.module)
                  ? shape.llm_tokens
                  : shape.tiles[Index(part.module)] * plan.model.encoders[Index(part.module)].tokens_per_tile();
  }
  return RunsUnion(step.plan, plan.layout, part.module) ? tokens / plan.layout.replicas_of(part.module) : tokens;
}

}  // namespace

std::string WhyCannot(const Plan& plan, const std::string& backend) {
  const std::string the_backend = "the " + backend + " backend";
  const std::string layers = WhyLayers(plan.model, the_backend);
  if (!layers.empty()) return layers;
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

std::vector<double> LeastBytesOfActivations(const Plan& plan, double each) {
  std::vector<double> most(plan.layout.groups.size());
  for (const PlannedStep& step : plan.steps) {
    for (int k = 0; k < plan.layout.microbatches; ++k) {
      std::vector<double> bytes(most.size());  // a device holds a microbatch in all its stages before any backward
      for (const Stage& stage : plan.layout.stages) {
        for (const ModulePart& part : stage.parts) {
          const bool is_llm = plan.model.is_llm(part.module);
          const bool frozen = is_llm ? plan.model.llm.frozen : plan.model.encoders[Index(part.module)].frozen;
          const int kept = frozen ? 1 : std::max(1, part.layers);
          bytes[Index(stage.group)] +=
              each * kept * plan.model.shape(part.module).hidden * TokensOf(plan, step, stage, part, k);
        }
      }
      for (std::size_t g = 0; g < most.size(); ++g) most[g] = std::max(most[g], bytes[g]);
    }
  }
  return most;
}

}  // namespace dflop::training
