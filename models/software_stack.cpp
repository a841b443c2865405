// Reading and printing how the model is trained.
#include "models/software_stack.hpp"

#include "base/error.hpp"

namespace dflop {
namespace {

const std::vector<std::string> kPrecisions = {"bf16", "fp16"};
const std::vector<std::string> kRecomputes = {"none", "selective", "full"};
const std::vector<std::string> kAttentions = {"flash", "unfused"};
const std::vector<std::string> kPackings = {"packed", "padded"};
const std::vector<std::string> kShardings = {"none", "zero1", "zero2", "zero3"};
const std::vector<std::string> kContextParallels = {"zigzag", "ring", "ulysses"};
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

/// What a stack says beyond the first of its words; the rest is as it is by default.
void AddSharding(const SoftwareStack& software, Json& stack) {
  const SoftwareStack usual;
  if (software.sharding > Sharding::kOptimizer) stack["sharding"] = NameOf(software.sharding, kShardings);
  if (software.encoder_sharding) stack["encoder_sharding"] = NameOf(*software.encoder_sharding, kShardings);
  if (software.shard_group != usual.shard_group) stack["shard_group"] = software.shard_group;
  if (!software.reshard_after_forward) stack["reshard_after_forward"] = false;
  if (software.prefetch != usual.prefetch) stack["prefetch"] = software.prefetch;
  if (software.wrapped_layers != usual.wrapped_layers) stack["wrapped_layers"] = software.wrapped_layers;
  if (software.reduce_every_microbatch) stack["reduce_every_microbatch"] = *software.reduce_every_microbatch;
  if (software.context_parallel != usual.context_parallel) {
    stack["context_parallel"] = NameOf(software.context_parallel, kContextParallels);
  }
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
                  "context_parallel"});
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

SoftwareStack ReadSoftwareStack(const JsonReader& scenario) {
  SoftwareStack software;
  software.precision = ReadEnum(scenario, "precision", kPrecisions, software.precision);
  software.recompute = ReadEnum(scenario, "recompute", kRecomputes, software.recompute);
  software.attention = ReadEnum(scenario, "attention", kAttentions, software.attention);
  software.packing = ReadEnum(scenario, "packing", kPackings, software.packing);
  if (const auto json = scenario.Find("software")) ReadSoftware(*json, software);
  return software;
}

Json ToJson(const SoftwareStack& software) {
  Json json;
  json["precision"] = NameOf(software.precision, kPrecisions);
  json["recompute"] = NameOf(software.recompute, kRecomputes);
  json["attention"] = NameOf(software.attention, kAttentions);
  json["packing"] = NameOf(software.packing, kPackings);
  Json& stack = json["software"];
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
  return json;
}

}  // namespace dflop
