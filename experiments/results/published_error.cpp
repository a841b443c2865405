// A kind is a preset on a GPU: of other stacks and GPUs, nothing is claimed.
#include "experiments/results/published_error.hpp"

#include <optional>

#include "base/text.hpp"
#include "models/model_data.hpp"

namespace dflop {
namespace {

constexpr char kErrorsFile[] = "published_errors.json";

/// Of the cluster's first kind of nodes; "" where an older result does not tell.
std::string GpuOf(const JsonReader& cluster) {
  const auto kinds = cluster.Find("node_kinds");
  const auto node = kinds ? std::optional(kinds->Element(0)) : cluster.Find("node");
  const auto gpu = node ? node->Find("gpu") : std::nullopt;
  if (!gpu) return "";
  return gpu->IsString() ? gpu->String() : gpu->StringOr("name", "");
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

std::string PublishedErrorInWords(const JsonReader& assumptions) {
  const auto software = assumptions.Find("software");
  const auto words = software ? software->Find("software") : std::nullopt;
  const auto cluster = assumptions.Find("cluster");
  if (!words || !cluster || !cluster->IsObject()) return "";  // of an older result
  const auto preset = words->Find("preset");
  if (!preset) return "no published run of this kind (name a software preset for one)";
  const std::string gpu = GpuOf(*cluster), of_class = ClassOf(assumptions);
  const std::string name = of_class + " models under " + preset->String() + " on " + gpu;
  const Json document = BuiltInJson(kErrorsFile);
  for (const JsonReader& kind : JsonReader(document, kErrorsFile).Elements()) {
    const bool same = kind.At("class").String() == of_class && kind.At("software").String() == preset->String();
    if (same && kind.At("gpu").String() == gpu) return InWords(kind, name);
  }
  return "no published run of " + name;
}

}  // namespace dflop
