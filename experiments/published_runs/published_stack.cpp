// Rules go from the particular to the general: NeMo Automodel is PyTorch FSDP before it is NeMo.
#include "experiments/published_runs/published_stack.hpp"

#include <array>

namespace dflop {
namespace {

struct StackRule {
  const char* word;  ///< in the source's or framework's name
  const char* preset;
};

constexpr std::array<StackRule, 15> kRules = {{
    {"vtrain", "vtrain"},
    {"composer", "llm-foundry-fsdp"},
    {"llm-foundry", "llm-foundry-fsdp"},
    {"torchtitan", "torchtitan"},
    {"fms-fsdp", "fms-fsdp"},
    {"internevo", "internevo"},
    {"megatron-deepspeed", "megatron-deepspeed"},
    {"automodel", "automodel"},
    {"maxtext", "torchtitan"},  // XLA's FSDP: parameters divided over all ranks, gathered layer by layer
    {"megatron-bridge", "nemo"},
    {"nemo", "nemo"},
    {"megatron-core", "megatron-core"},
    {"megatron-lm", "megatron-core"},
    {"fsdp", "torchtitan"},
    {"deepspeed", "deepspeed-zero3"},
}};

/// Megatron-LM before its flash attention and distributed optimizer.
bool IsMegatronOf2021(const PublishedRow& row) {
  return Mentions(row.framework, "megatron-lm") && Mentions(row.gpu, "a100") && Mentions(row.precision, "fp16");
}

/// Whether the row's gradients are of 16 bits where its stack's usually are not: fp16 without an fp32 copy, and
/// Composer's mixed precision PURE, which tables print as `bf16` and not `amp_bf16`.
bool HasGradientsOf16Bit(const PublishedRow& row, const std::string& preset) {
  if (preset == "llm-foundry-fsdp") return !Mentions(row.precision, "amp");
  return Mentions(row.precision, "fp16") && (preset == "megatron-deepspeed" || preset.empty());
}

/// Whether elementwise operations are compiled together: torch.compile, or any program of XLA's.
bool IsCompiled(const PublishedRow& row) {
  return Mentions(row.notes, "compile") || Mentions(row.framework, "MaxText") || Mentions(row.framework, "Paxml");
}

/// Ranks that share the state, 0: all. "zero1=8", "shard 8"; hybrid sharding shares it within a node of eight.
int ShardGroup(const PublishedRow& row) {
  for (const int ranks : {2, 4, 8, 16, 32, 64}) {
    const std::string number = std::to_string(ranks);
    for (const std::string& words : {"zero1=" + number, "shard " + number}) {
      const std::size_t at = row.framework.find(words);
      if (at == std::string::npos) continue;
      const char behind = at + words.size() < row.framework.size() ? row.framework[at + words.size()] : ' ';
      if (behind < '0' || behind > '9') return ranks;
    }
  }
  constexpr int kNode = 8;
  return Mentions(row.framework, "HSDP") || Mentions(row.notes, "HYBRID_SHARD") ? kNode : 0;
}

bool ShardsParameters(const std::string& preset) {
  return preset == "llm-foundry-fsdp" || preset == "torchtitan" || preset == "fms-fsdp" || preset == "automodel" ||
         preset == "deepspeed-zero3";
}

/// What the row's own words change.
Json OverridesOf(const PublishedRow& row, const std::string& preset, int copies) {
  Json words = Json::EmptyObject();
  if (HasGradientsOf16Bit(row, preset)) {
    words["gradient_bytes"] = 2;
    words["bytes_per_parameter"] = 16;
  }
  if (IsMegatronCore(preset) && Mentions(row.notes, "FSDP=1")) words["sharding"] = "zero3";
  if (preset == "deepspeed-zero3" && Mentions(row.framework, "zero-1")) words["sharding"] = "zero1";
  if (preset == "deepspeed-zero3" && Mentions(row.framework, "zero-2")) words["sharding"] = "zero2";
  if (Mentions(row.notes, "NO_SHARD") && ShardsParameters(preset)) words["sharding"] = "none";
  const bool kept = Mentions(row.notes, "SHARD_GRAD_OP") || (preset == "automodel" && row.pp > 1);
  if (kept && ShardsParameters(preset)) words["reshard_after_forward"] = false;
  if (preset == "torchtitan" && IsCompiled(row)) {
    words["launch"] = "compiled";
    words["fused_norms"] = true;
    words["fused_activation"] = true;
  }
  if (RecomputeOf(row, preset) == "full" && row.recompute == "selective" && preset == "torchtitan") {
    words["recompute_share"] = 0.5;
  }
  const int group = ShardGroup(row);
  if (group > 0 && group < copies) words["shard_group"] = group;
  return words;
}

}  // namespace

std::string PresetOf(const PublishedRow& row) {
  if (IsMegatronOf2021(row)) return "megatron-2021";
  if (Mentions(row.framework, "Paxml DP")) return "";
  for (const StackRule& rule : kRules) {
    if (Mentions(row.framework, rule.word) || Mentions(row.source, rule.word)) return rule.preset;
  }
  return "";
}

Json SoftwareOf(const PublishedRow& row, const std::string& preset, int copies) {
  const Json overrides = OverridesOf(row, preset, copies);
  if (preset.empty()) return overrides;
  if (overrides == Json::EmptyObject()) return preset;
  Json words;
  words["preset"] = preset;
  for (const Json::Member& member : overrides.as<Json::Object>()) words[member.key] = member.value;
  return words;
}

bool IsMegatronCore(const std::string& preset) { return preset == "megatron-core" || preset == "nemo"; }

bool DividesSequence(const std::string& preset) { return IsMegatronCore(preset); }

bool RecomputesOnlyWhereStated(const std::string& preset) { return IsMegatronCore(preset) || preset == "automodel"; }

std::string RecomputeOf(const PublishedRow& row, const std::string& preset) {
  if (row.recompute.empty()) return "none";
  const bool whole_layers = preset == "torchtitan" || preset == "fms-fsdp";
  return whole_layers && row.recompute == "selective" ? "full" : row.recompute;
}

}  // namespace dflop
