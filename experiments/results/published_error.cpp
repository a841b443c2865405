// A kind is a preset on a GPU: of other stacks and GPUs, nothing is claimed.
#include "experiments/results/published_error.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"
#include "models/cluster_spec.hpp"
#include "models/model_data.hpp"
#include "models/software_stack.hpp"

namespace dflop {
namespace {

constexpr char kErrorsFile[] = "published_errors.json";

constexpr double kSameRate = 1e-3;

/// Whether a GPU goes by the name of a built-in one and has other rates.
bool IsImpostor(const JsonReader& gpu) {
  const std::string name = gpu.StringOr("name", "");
  const std::vector<std::string> names = BuiltInGpuNames();
  if (std::find(names.begin(), names.end(), name) == names.end()) return false;
  const Json word(name);
  const GpuSpec built_in = ReadGpu(JsonReader(word, "GPU"));
  const auto differs = [&](const char* key, double usual) {
    return std::abs(gpu.NumberOr(key, usual, 0, std::numeric_limits<double>::max()) / usual - 1) > kSameRate;
  };
  return differs("peak_flops_per_s", built_in.peak.value()) ||
         differs("memory_bytes_per_s", built_in.memory_bandwidth.value());
}

/// "" where an older result does not tell.
std::string GpuOf(const JsonReader& cluster) {
  if (cluster.Has("node_kinds")) return "several kinds of nodes";
  const auto node = cluster.Find("node");
  const auto gpu = node ? node->Find("gpu") : std::nullopt;
  if (!gpu) return "";
  if (gpu->IsString()) return gpu->String();
  return gpu->StringOr("name", "") + (IsImpostor(*gpu) ? " with rates of its own" : "");
}

/// Buckets are as large as so many gradients where nothing else is said.
bool FollowsGradients(const JsonReader& own, const JsonReader& usual) {
  const auto parameters = [](const JsonReader& words) {
    return words.At("bucket_bytes").json().number() / words.At("gradient_bytes").json().number();
  };
  return parameters(own) == parameters(usual);
}

/// " (changed here: attention, launch)": words that a scenario has in place of its preset's, which published runs may
/// not have had.
std::string ChangedWords(const JsonReader& software, const std::string& preset) {
  Json named = Json::EmptyObject();
  named["software"] = preset;
  const Json own_words = ToJson(ReadSoftwareStack(software));
  const Json usual_words = ToJson(ReadSoftwareStack(JsonReader(named, "built-in preset")));
  const JsonReader own(*own_words.find("software"), ""), usual(*usual_words.find("software"), "");
  std::vector<std::string> changed;
  if (*own_words.find("attention") != *usual_words.find("attention")) changed.emplace_back("attention");
  for (const std::string& key : own.Keys()) {
    if (key == "distributed_optimizer") continue;  // sharding says it
    if (key == "bucket_bytes" && FollowsGradients(own, usual)) continue;
    if (!usual.Has(key) || own.At(key).json() != usual.At(key).json()) changed.push_back(key);
  }
  return changed.empty() ? "" : " (changed here: " + JoinNames(changed) + ")";
}

/// "dense", "experts" or "lora", "fp8" or "fp8-experts" or "fp8-lora" for 8 and 4 bits, as tables of published runs are
/// divided; "multimodal" for a model with encoders.
std::string ClassOf(const JsonReader& assumptions) {
  const auto model = assumptions.Find("model");
  const auto llm = model && model->IsObject() ? model->Find("llm") : std::nullopt;
  if (!llm) return "";
  if (model->Has("encoders") && model->At("encoders").Size() > 0) return "multimodal";
  const std::string of_layers = llm->Has("lora") ? "lora" : llm->Has("experts") ? "experts" : "";
  const std::string precision = assumptions.At("software").StringOr("precision", "bf16");
  if (precision == "bf16" || precision == "fp16") return of_layers.empty() ? "dense" : of_layers;
  return of_layers.empty() ? "fp8" : "fp8-" + of_layers;
}

std::string InWords(const JsonReader& kind, const std::string& name) {
  const JsonReader gpus = kind.At("gpus");
  const std::string least = gpus.Element(0).json().Dump(), most = gpus.Element(1).json().Dump();
  return Fixed(100 * kind.At("mean_error").Number(0, 1e6), 0) + " % mean error over " + kind.At("rows").json().Dump() +
         " published runs of " + name + ", " + (least == most ? least : least + "–" + most) + " GPUs";
}

}  // namespace

namespace {

/// What published runs are told apart by; without a preset where the result names none.
struct Kind {
  std::string preset;
  std::string gpu;
  std::string of_class;
  std::string kernel_costs;

  bool has_built_in_costs() const { return kernel_costs.starts_with("built-in"); }
  std::string name() const { return of_class + " models under " + preset + " on " + gpu; }
};

/// Nothing where an older result does not tell.
std::optional<Kind> KindOf(const JsonReader& assumptions) {
  const auto software = assumptions.Find("software");
  const auto words = software && software->IsObject() ? software->Find("software") : std::nullopt;
  const auto cluster = assumptions.Find("cluster");
  if (!words || !cluster || !cluster->IsObject()) return std::nullopt;
  return Kind{words->StringOr("preset", ""), GpuOf(*cluster), ClassOf(assumptions),
              assumptions.StringOr("kernel_costs", "built-in")};
}

/// The entry of the published runs of this kind in `document`.
std::optional<JsonReader> EntryOf(const Kind& kind, const Json& document) {
  if (kind.preset.empty() || !kind.has_built_in_costs()) return std::nullopt;
  for (const JsonReader& entry : JsonReader(document, kErrorsFile).Elements()) {
    const bool same = entry.At("class").String() == kind.of_class && entry.At("software").String() == kind.preset;
    if (same && entry.At("gpu").String() == kind.gpu) return entry;
  }
  return std::nullopt;
}

}  // namespace

std::string PublishedErrorInWords(const JsonReader& assumptions) {
  const auto kind = KindOf(assumptions);
  if (!kind) return "";
  if (kind->preset.empty()) return "no published run of this kind (name a software preset for one)";
  if (!kind->has_built_in_costs()) return "no published run of " + kind->name() + " with kernel costs of a file";
  const Json document = BuiltInJson(kErrorsFile);
  const auto entry = EntryOf(*kind, document);
  if (!entry) return "no published run of " + kind->name();
  return InWords(*entry, kind->name()) + ChangedWords(assumptions.At("software"), kind->preset);
}

std::optional<double> PublishedError(const JsonReader& assumptions) {
  const auto kind = KindOf(assumptions);
  if (!kind) return std::nullopt;
  const Json document = BuiltInJson(kErrorsFile);
  const auto entry = EntryOf(*kind, document);
  if (!entry) return std::nullopt;
  return entry->At("mean_error").Number(0, 1e6);
}

}  // namespace dflop
