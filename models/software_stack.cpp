// Reading and printing how the model is trained.
#include "models/software_stack.hpp"

#include "base/error.hpp"
#include "models/software_presets.hpp"

namespace dflop {
namespace {

const std::vector<std::string> kPrecisions = {"bf16", "fp16", "fp8", "nvfp4"};
const std::vector<std::string> kRecomputes = {"none", "selective", "full"};
const std::vector<std::string> kAttentions = {"flash", "unfused"};
const std::vector<std::string> kPackings = {"packed", "padded"};
const std::vector<std::string> kShardings = {"none", "zero1", "zero2", "zero3"};
const std::vector<std::string> kContextParallels = {"zigzag", "ring", "ulysses"};
const std::vector<std::string> kAttentionKernels = {"table", "flash1", "triton", "flash2", "flash3", "cudnn"};
const std::vector<std::string> kLaunches = {"eager", "compiled", "graphs", "blocking"};
const std::vector<std::string> kOptimizerKernels = {"unfused", "fused"};
constexpr std::int64_t kMaxVocabularyMultiple = 1 << 20;
constexpr double kWeightBytes = 2;  // bf16 and fp16
constexpr double kBucketParameters = 40e6;
constexpr int kMaxShardGroup = 1 << 20;
constexpr int kMaxPrefetch = 1024;

/// The lists above stand in the order of the enumerations.
template <typename Enum>
Enum ReadEnum(const JsonReader& json, const char* key, const std::vector<std::string>& names, Enum fallback) {
  const std::string name = json.OneOfOr(key, names[static_cast<std::size_t>(fallback)], names);
  std::size_t index = 0;
  while (names[index] != name) ++index;
  return static_cast<Enum>(index);
}

template <typename Enum>
Json NameOf(Enum value, const std::vector<std::string>& names) {
  return names[static_cast<std::size_t>(value)];
}

/// Weights and gradients are part of the bytes per parameter, so these may not be fewer than both.
void CheckBytesPerParameter(const JsonReader& json, const SoftwareStack& software) {
  const double least = kWeightBytes + software.gradient_bytes;
  if (software.bytes_per_parameter >= least) return;
  const char* key = json.Has("bytes_per_parameter") ? "bytes_per_parameter" : "gradient_bytes";
  json.At(key).Fail("leaves bytes_per_parameter = " + ShortestNumber(software.bytes_per_parameter) +
                    ", less than the weights' 2 bytes and gradient_bytes = " + ShortestNumber(software.gradient_bytes));
}

/// `sharding`, and its older name for one of its values.
void ReadSharding(const JsonReader& json, SoftwareStack& software) {
  const bool distributed = json.BoolOr("distributed_optimizer", false);
  software.sharding = ReadEnum(json, "sharding", kShardings, distributed ? Sharding::kOptimizer : software.sharding);
  if (json.Has("distributed_optimizer") && distributed != (software.sharding != Sharding::kNone)) {
    json.At("distributed_optimizer")
        .Fail("contradicts sharding " + JsonQuote(kShardings[static_cast<std::size_t>(software.sharding)]) +
              "; leave one of them out");
  }
  if (json.Has("encoder_sharding")) {
    software.encoder_sharding = ReadEnum(json, "encoder_sharding", kShardings, software.sharding);
  }
  software.shard_group = static_cast<int>(json.IntOr("shard_group", software.shard_group, 1, kMaxShardGroup));
  software.reshard_after_forward = json.BoolOr("reshard_after_forward", software.reshard_after_forward);
  software.prefetch = static_cast<int>(json.IntOr("prefetch", software.prefetch, 0, kMaxPrefetch));
  software.wrapped_layers = static_cast<int>(json.IntOr("wrapped_layers", software.wrapped_layers, 1, kMaxPrefetch));
  if (json.Has("reduce_every_microbatch")) software.reduce_every_microbatch = json.At("reduce_every_microbatch").Bool();
}

/// What a stack says beyond the first of its words where it is not as by default; beside a preset, whose words are no
/// defaults, all.
void AddSharding(const SoftwareStack& software, Json& stack) {
  const SoftwareStack usual;
  const bool all = !software.preset.empty();
  const auto add = [&](const char* key, const Json& value, const Json& standard) {
    if (value != standard || all) stack[key] = value;
  };
  if (software.sharding > Sharding::kOptimizer || all) stack["sharding"] = NameOf(software.sharding, kShardings);
  if (software.encoder_sharding) stack["encoder_sharding"] = NameOf(*software.encoder_sharding, kShardings);
  if (software.shard_group != usual.shard_group) stack["shard_group"] = software.shard_group;
  add("reshard_after_forward", software.reshard_after_forward, usual.reshard_after_forward);
  add("prefetch", software.prefetch, usual.prefetch);
  add("wrapped_layers", software.wrapped_layers, usual.wrapped_layers);
  if (software.reduce_every_microbatch) stack["reduce_every_microbatch"] = *software.reduce_every_microbatch;
  add("context_parallel", NameOf(software.context_parallel, kContextParallels),
      NameOf(usual.context_parallel, kContextParallels));
}

/// Which kernels run, and how they get to the device.
void ReadKernels(const JsonReader& json, SoftwareStack& software) {
  software.attention_kernel = ReadEnum(json, "attention_kernel", kAttentionKernels, software.attention_kernel);
  software.sustained_clocks = json.BoolOr("sustained_clocks", software.sustained_clocks);
  software.launch = ReadEnum(json, "launch", kLaunches, software.launch);
  software.overlap_tensor_parallel = json.BoolOr("overlap_tensor_parallel", software.overlap_tensor_parallel);
  const std::string& usual = kOptimizerKernels[software.fused_optimizer ? 1 : 0];
  software.fused_optimizer = json.OneOfOr("optimizer", usual, kOptimizerKernels) == kOptimizerKernels[1];
  software.clip_gradients = json.BoolOr("clip_gradients", software.clip_gradients);
  software.recompute_share = json.NumberOr("recompute_share", software.recompute_share, 0.01, 1);
  software.fused_activation = json.BoolOr("fused_activation", software.fused_activation);
  software.fused_norms = json.BoolOr("fused_norms", software.fused_norms);
  software.fused_accumulation = json.BoolOr("fused_accumulation", software.fused_accumulation);
}

/// What is not as by default; beside a preset, whose words are no defaults, all.
void AddKernels(const SoftwareStack& software, Json& stack) {
  const SoftwareStack usual;
  const auto add = [&](const char* key, const Json& value, const Json& standard) {
    if (value != standard || !software.preset.empty()) stack[key] = value;
  };
  const auto optimizer = [](const SoftwareStack& of) { return Json(kOptimizerKernels[of.fused_optimizer ? 1 : 0]); };
  add("attention_kernel", NameOf(software.attention_kernel), NameOf(usual.attention_kernel));
  add("sustained_clocks", software.sustained_clocks, usual.sustained_clocks);
  add("launch", NameOf(software.launch, kLaunches), NameOf(usual.launch, kLaunches));
  add("overlap_tensor_parallel", software.overlap_tensor_parallel, usual.overlap_tensor_parallel);
  add("optimizer", optimizer(software), optimizer(usual));
  add("clip_gradients", software.clip_gradients, usual.clip_gradients);
  add("recompute_share", software.recompute_share, usual.recompute_share);
  add("fused_activation", software.fused_activation, usual.fused_activation);
  add("fused_norms", software.fused_norms, usual.fused_norms);
  add("fused_accumulation", software.fused_accumulation, usual.fused_accumulation);
}

void ReadSoftware(const JsonReader& json, SoftwareStack& software) {
  json.AllowOnly({"host_s_per_kernel",
                  "bytes_per_parameter",
                  "gradient_bytes",
                  "distributed_optimizer",
                  "overlap_gradients",
                  "bucket_bytes",
                  "overlap_parameters",
                  "blocking_sends",
                  "scatter_transfers",
                  "vocabulary_multiple",
                  "dropout",
                  "workspace_bytes",
                  "fragmentation",
                  "sharding",
                  "encoder_sharding",
                  "shard_group",
                  "reshard_after_forward",
                  "prefetch",
                  "wrapped_layers",
                  "reduce_every_microbatch",
                  "context_parallel",
                  "preset",
                  "attention_kernel",
                  "sustained_clocks",
                  "launch",
                  "overlap_tensor_parallel",
                  "optimizer",
                  "clip_gradients",
                  "recompute_share",
                  "fused_activation",
                  "fused_norms",
                  "fused_accumulation"});
  ReadKernels(json, software);
  software.host_per_kernel = Seconds(json.NumberOr("host_s_per_kernel", software.host_per_kernel.value(), 0, 10));
  software.bytes_per_parameter = json.NumberOr("bytes_per_parameter", software.bytes_per_parameter, 2, 64);
  software.gradient_bytes = json.NumberOr("gradient_bytes", software.gradient_bytes, 1, 8);
  ReadSharding(json, software);
  software.context_parallel = ReadEnum(json, "context_parallel", kContextParallels, software.context_parallel);
  software.overlap_gradients = json.BoolOr("overlap_gradients", software.overlap_gradients);
  software.bucket_bytes = json.NumberOr("bucket_bytes", kBucketParameters * software.gradient_bytes, 1e5, 1e13);
  software.overlap_parameters = json.BoolOr("overlap_parameters", software.overlap_parameters);
  software.blocking_sends = json.BoolOr("blocking_sends", software.blocking_sends);
  software.scatter_transfers = json.BoolOr("scatter_transfers", software.scatter_transfers);
  software.vocabulary_multiple =
      static_cast<int>(json.IntOr("vocabulary_multiple", software.vocabulary_multiple, 1, kMaxVocabularyMultiple));
  software.dropout = json.NumberOr("dropout", software.dropout, 0, 0.99);
  software.workspace_bytes = json.NumberOr("workspace_bytes", software.workspace_bytes, 0, 1e12);
  software.fragmentation = json.NumberOr("fragmentation", software.fragmentation, 0, 10);
  CheckBytesPerParameter(json, software);
}

}  // namespace

std::string NameOf(AttentionKernel kernel) { return kAttentionKernels[static_cast<std::size_t>(kernel)]; }

std::string NameOf(Precision precision) { return kPrecisions[static_cast<std::size_t>(precision)]; }

SoftwareStack ReadSoftwareStack(const JsonReader& scenario) {
  SoftwareStack software;
  software.precision = ReadEnum(scenario, "precision", kPrecisions, software.precision);
  software.recompute = ReadEnum(scenario, "recompute", kRecomputes, software.recompute);
  software.packing = ReadEnum(scenario, "packing", kPackings, software.packing);
  const auto json = scenario.Find("software");
  const std::string preset = json ? PresetOf(*json) : std::string();
  if (preset.empty()) {
    if (json) ReadSoftware(*json, software);
  } else {
    const Json words = WithPreset(preset, json->json());
    ReadSoftware(JsonReader(words, json->file(), json->pointer()), software);
    const Json usual = PresetAttention(preset);
    software.attention = ReadEnum(JsonReader(usual, "built-in preset"), "attention", kAttentions, software.attention);
  }
  software.preset = preset;
  software.attention = ReadEnum(scenario, "attention", kAttentions, software.attention);
  return software;
}

Json ToJson(const SoftwareStack& software) {
  Json json;
  json["precision"] = NameOf(software.precision, kPrecisions);
  json["recompute"] = NameOf(software.recompute, kRecomputes);
  json["attention"] = NameOf(software.attention, kAttentions);
  json["packing"] = NameOf(software.packing, kPackings);
  Json& stack = json["software"];
  if (!software.preset.empty()) stack["preset"] = software.preset;
  stack["host_s_per_kernel"] = software.host_per_kernel.value();
  stack["bytes_per_parameter"] = software.bytes_per_parameter;
  stack["gradient_bytes"] = software.gradient_bytes;
  stack["distributed_optimizer"] = software.sharding != Sharding::kNone;
  stack["overlap_gradients"] = software.overlap_gradients;
  stack["bucket_bytes"] = software.bucket_bytes;
  stack["overlap_parameters"] = software.overlap_parameters;
  stack["blocking_sends"] = software.blocking_sends;
  stack["scatter_transfers"] = software.scatter_transfers;
  stack["vocabulary_multiple"] = software.vocabulary_multiple;
  stack["dropout"] = software.dropout;
  stack["workspace_bytes"] = software.workspace_bytes;
  stack["fragmentation"] = software.fragmentation;
  AddSharding(software, stack);
  AddKernels(software, stack);
  return json;
}

}  // namespace dflop
