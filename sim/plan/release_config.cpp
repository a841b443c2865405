// Read strictly, then held against the scenario: its models by layers and width, its batch by size.
#include "sim/plan/release_config.hpp"

#include <filesystem>

#include "base/error.hpp"
#include "base/flat_yaml.hpp"
#include "models/release_names.hpp"

namespace dflop {
namespace {

constexpr std::int64_t kMostGpus = 1 << 20;
constexpr std::int64_t kMostSamples = 1'000'000;

ModuleDegrees ReadDegrees(const JsonReader& json, const std::string& module) {
  const auto degree = [&](const char* name, std::int64_t most) {
    return static_cast<int>(json.At(module + name).Int(1, most));
  };
  if (const auto rate = json.Find(module + "_thr")) rate->Number(0, 1e9);
  return {.tp = degree("_tp_size", 1024), .pp = degree("_pp_size", kMostGpus), .dp = degree("_dp_size", kMostGpus)};
}

void CheckModule(const ReleaseConfig& config, const std::string& key, const std::string& family,
                 const std::string& size, const TransformerShape& shape) {
  const std::string another = WhyAnother(family, size, shape);
  if (another.empty()) return;
  throw InputError(config.file, "/" + key + "_model_name",
                   "is " + family + " " + size + ", which " + another + ", the scenario's has " +
                       std::to_string(shape.layers) + " of width " + std::to_string(shape.hidden));
}

}  // namespace

ReleaseConfig ReadReleaseConfig(const JsonReader& path) {
  ReleaseConfig config;
  config.file = path.String();
  std::error_code error;
  if (!std::filesystem::is_regular_file(config.file, error)) {
    path.Fail("is " + JsonQuote(config.file) + ", but there is no such file");
  }
  const Json document = ReadFlatYamlFile(config.file);
  const JsonReader json(document, config.file);
  json.AllowOnly({"seed", "vision_model_name", "vision_model_size", "llm_model_name", "llm_model_size",
                  "global_batch_size", "num_batches", "num_training_steps", "parallel_config"});
  config.encoder_family = json.At("vision_model_name").String();
  config.encoder_size = json.At("vision_model_size").String();
  config.llm_family = json.At("llm_model_name").String();
  config.llm_size = json.At("llm_model_size").String();
  config.global_batch_size = static_cast<int>(json.At("global_batch_size").Int(1, kMostSamples));
  config.microbatches = static_cast<int>(json.At("num_batches").Int(1, kMostSamples));
  const JsonReader parallel = json.At("parallel_config");
  config.encoder = ReadDegrees(parallel, "vision");
  config.llm = ReadDegrees(parallel, "llm");
  parallel.AllowOnly({"vision_tp_size", "vision_pp_size", "vision_dp_size", "vision_thr", "llm_tp_size", "llm_pp_size",
                      "llm_dp_size", "llm_thr"});
  return config;
}

void CheckReleaseConfig(const ReleaseConfig& config, const ModelSpec& model, int global_batch_size) {
  if (model.encoders.size() != 1) {
    throw InputError(config.file, "/parallel_config",
                     "is of a model with one encoder, the scenario's has " + std::to_string(model.encoders.size()));
  }
  CheckModule(config, "vision", config.encoder_family, config.encoder_size, model.encoders.front().shape);
  CheckModule(config, "llm", config.llm_family, config.llm_size, model.llm.shape);
  if (config.global_batch_size != global_batch_size) {
    throw InputError(
        config.file, "/global_batch_size",
        "is " + std::to_string(config.global_batch_size) + ", the scenario's is " + std::to_string(global_batch_size));
  }
}

}  // namespace dflop
