// Reading and printing how the model is trained.
#include "models/software_stack.hpp"

#include "base/error.hpp"

namespace dflop {
namespace {

const std::vector<std::string> kPrecisions = {"bf16", "fp16"};
const std::vector<std::string> kRecomputes = {"none", "selective", "full"};
const std::vector<std::string> kAttentions = {"flash", "unfused"};
const std::vector<std::string> kPackings = {"packed", "padded"};
constexpr std::int64_t kMaxVocabularyMultiple = 1 << 20;
constexpr double kWeightBytes = 2;  // bf16 and fp16
constexpr double kBucketParameters = 40e6;

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

void ReadSoftware(const JsonReader& json, SoftwareStack& software) {
  json.AllowOnly({"host_s_per_kernel", "bytes_per_parameter", "gradient_bytes", "distributed_optimizer",
                  "overlap_gradients", "bucket_bytes", "overlap_parameters", "blocking_sends", "scatter_transfers",
                  "vocabulary_multiple", "dropout", "workspace_bytes", "fragmentation"});
  software.host_per_kernel = Seconds(json.NumberOr("host_s_per_kernel", software.host_per_kernel.value(), 0, 10));
  software.bytes_per_parameter = json.NumberOr("bytes_per_parameter", software.bytes_per_parameter, 2, 64);
  software.gradient_bytes = json.NumberOr("gradient_bytes", software.gradient_bytes, 1, 8);
  software.distributed_optimizer = json.BoolOr("distributed_optimizer", software.distributed_optimizer);
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
  stack["distributed_optimizer"] = software.distributed_optimizer;
  stack["overlap_gradients"] = software.overlap_gradients;
  stack["bucket_bytes"] = software.bucket_bytes;
  stack["overlap_parameters"] = software.overlap_parameters;
  stack["blocking_sends"] = software.blocking_sends;
  stack["scatter_transfers"] = software.scatter_transfers;
  stack["vocabulary_multiple"] = software.vocabulary_multiple;
  stack["dropout"] = software.dropout;
  stack["workspace_bytes"] = software.workspace_bytes;
  stack["fragmentation"] = software.fragmentation;
  return json;
}

}  // namespace dflop
