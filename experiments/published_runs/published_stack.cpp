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
    {"megatron-bridge", "megatron-core"},
    {"megatron-core", "megatron-core"},
    {"nemo", "megatron-core"},
    {"megatron-lm", "megatron-core"},
    {"fsdp", "torchtitan"},
    {"deepspeed", "deepspeed-zero3"},
}};

/// Megatron-LM before its flash attention and distributed optimizer.
bool IsMegatronOf2021(const PublishedRow& row) {
  return Mentions(row.framework, "megatron-lm") && Mentions(row.gpu, "a100") && Mentions(row.precision, "fp16");
}

Json Sharded(const char* kind) {
  Json words = Json::EmptyObject();
  words["sharding"] = kind;
  return words;
}

/// What a preset's name stands for, in words of the format; a program that knows the names takes {"preset": NAME}.
Json WordsOf(const std::string& preset) {
  Json words = Json::EmptyObject();
  if (preset == "megatron-2021" || preset == "vtrain") words["dropout"] = 0.1;
  if (preset == "megatron-core") {
    words = Sharded("zero1");
    words["overlap_gradients"] = true;
    words["overlap_parameters"] = true;
  }
  if (preset == "megatron-deepspeed") {
    words = Sharded("zero1");
    words["dropout"] = 0.1;
  }
  if (preset == "internevo") {
    words = Sharded("zero1");
    words["overlap_gradients"] = true;
    words["bucket_bytes"] = 1073741824;  // 512 Mi gradients of two bytes
  }
  if (preset == "llm-foundry-fsdp" || preset == "torchtitan" || preset == "fms-fsdp" || preset == "deepspeed-zero3") {
    words = Sharded("zero3");
  }
  if (preset == "automodel") {
    words = Sharded("zero3");
    words["gradient_bytes"] = 2;
    words["bytes_per_parameter"] = 8;  // weights, gradients and both moments in bf16
    words["reduce_every_microbatch"] = false;
  }
  return words;
}

/// Whether weights and gradients are of 16 bits throughout, the master copy aside.
bool IsPure16Bit(const PublishedRow& row, const std::string& preset) {
  if (Mentions(row.precision, "fp16")) return true;
  if (preset == "internevo" || preset == "fms-fsdp") return true;
  return preset == "llm-foundry-fsdp" && !Mentions(row.precision, "amp");
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

bool ShardsParameters(const PublishedRow& row, const std::string& preset) {
  return Mentions(row.notes, "FSDP=1") ||
         (preset != "megatron-core" && preset != "internevo" && preset != "megatron-deepspeed");
}

/// What the row's own words change.
void AddOverrides(const PublishedRow& row, const std::string& preset, int copies, Json& words) {
  if (IsPure16Bit(row, preset)) {
    words["gradient_bytes"] = 2;
    words["bytes_per_parameter"] = 16;
  }
  const bool kept = Mentions(row.notes, "SHARD_GRAD_OP") || (preset == "automodel" && row.pp > 1);
  if (kept && ShardsParameters(row, preset)) words["reshard_after_forward"] = false;
  if (preset == "deepspeed-zero3" && Mentions(row.framework, "zero-1")) words["sharding"] = "zero1";
  if (preset == "deepspeed-zero3" && Mentions(row.framework, "zero-2")) words["sharding"] = "zero2";
  const int group = ShardGroup(row);
  if (group > 0 && group < copies) words["shard_group"] = group;
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
  const bool megatron_fsdp = preset == "megatron-core" && Mentions(row.notes, "FSDP=1");
  Json words = megatron_fsdp ? Sharded("zero3") : WordsOf(preset);
  AddOverrides(row, preset, copies, words);
  return words;
}

bool AttentionIsUnfused(const std::string& preset) {
  return preset == "megatron-2021" || preset == "megatron-deepspeed" || preset == "vtrain";
}

bool DividesSequence(const std::string& preset) { return preset == "megatron-core"; }

bool RecomputesOnlyWhereStated(const std::string& preset) { return preset == "megatron-core" || preset == "automodel"; }

}  // namespace dflop
