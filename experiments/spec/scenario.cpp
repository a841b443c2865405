// Traces and samples named in equal words are read once over all points of a sweep; a first draw shows early whether
// model and samples go together.
#include "experiments/spec/scenario.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>

#include "base/error.hpp"
#include "base/json_files.hpp"
#include "experiments/spec/anomalies.hpp"
#include "models/loaded_kernel_costs.hpp"
#include "models/remembered_kernel_costs.hpp"
#include "traces/cost_trace.hpp"
#include "traces/gpu_name.hpp"

namespace dflop {
namespace {

// A sweep reads the same trace and the same samples at every point: what stands in equal words is read once.
template <typename T>
std::shared_ptr<const T> Once(const std::string& words, const std::function<std::shared_ptr<const T>()>& read) {
  static std::map<std::string, std::shared_ptr<const T>> known;
  std::shared_ptr<const T>& entry = known[words];
  if (!entry) entry = read();
  return entry;
}

bool HasDevice(const ClusterSpec& cluster, const std::string& device) {
  for (int kind = 0; kind < cluster.kinds(); ++kind) {
    const GpuSpec& gpu = cluster.node_of_kind(KindId{kind}).gpu;
    if (MayBeDevice(device, gpu.name, gpu.memory.value())) return true;
  }
  return false;
}

/// What of a stack changes the price of a kernel.
std::string LoadWords(const SoftwareStack& software) {
  return NameOf(software.attention_kernel) + (software.sustained_clocks ? " sustained" : "");
}

/// A file prices the kinds of GPUs that it was measured on; where others stand beside them, these have built-in costs.
std::shared_ptr<const KernelCosts> ReadKernelCosts(const JsonReader& scenario, const ClusterSpec& cluster,
                                                   const NodeSpec& node, const SoftwareStack& software) {
  const GpuSpec& gpu = node.gpu;
  if (!Multiplies(gpu, software.precision)) {
    const std::string counted = LoadNameOf(gpu);
    scenario.At("precision")
        .Fail("is " + JsonQuote(NameOf(software.precision)) + ", which " + gpu.name +
              (counted == gpu.name ? "" : ", taken for " + counted + ", the built-in GPU nearest in peak rate,") +
              " does not multiply; built-in GPUs that do: " + JoinNames(GpusThatMultiply(software.precision)));
  }
  const auto costs = scenario.Find("costs");
  const std::string words = ToJson(node).Dump() + (costs ? costs->json().Dump() : "") + LoadWords(software);
  const auto built_in = [&] {
    return std::make_shared<RememberedKernelCosts>(UnderLoad(DefaultKernelCosts(gpu), software));
  };
  if (!costs || costs->IsString()) {
    if (costs) costs->OneOf({"built-in"});
    return Once<KernelCosts>(words, built_in);
  }
  costs->AllowOnly({"file", "max_extrapolated_fraction", "device_mismatch"});
  if (!costs->Has("file")) {
    if (costs->Has("device_mismatch")) costs->At("device_mismatch").Fail("has no effect without a file");
    if (!costs->Has("max_extrapolated_fraction")) costs->At("file");
    return Once<KernelCosts>(words, built_in);
  }
  const JsonReader file = costs->At("file");
  const std::string path = file.String();
  const bool refuse = costs->OneOfOr("device_mismatch", "refuse", {"refuse", "accept"}) == "refuse";
  if (!std::filesystem::is_regular_file(path)) file.Fail("is " + JsonQuote(path) + ", but there is no such file");
  return Once<KernelCosts>(words, [&] {
    const CostTrace trace = ReadCostTrace(path);
    if (refuse && !MayBeDevice(trace.device, gpu.name, gpu.memory.value())) {
      if (HasDevice(cluster, trace.device)) return built_in();
      costs->Fail(
          "was measured on " + trace.device + ", the cluster's GPU is " + gpu.name +
          ": choose a trace of that GPU, or say \"device_mismatch\": \"accept\" to price by another all the same");
    }
    return std::make_shared<RememberedKernelCosts>(TraceKernelCosts(trace, path, gpu));
  });
}

constexpr double kMostExtrapolated = 0.5;  ///< of busy time priced by a file that does not say otherwise

const std::vector<std::string> kScenarioKeys = {
    "name",      "model",     "cluster", "costs",    "samples",   "planning_samples", "global_batch_size", "precision",
    "recompute", "attention", "packing", "software", "anomalies", "policies",         "data_loading",      "training"};

const std::vector<std::string> kKeysWithFiles = {"model", "cluster", "costs", "samples"};

void CollectFiles(const Json& value, bool look_inside, std::vector<std::string>& files) {
  if (value.is<Json::Array>()) {
    for (const Json& element : value.as<Json::Array>()) CollectFiles(element, look_inside, files);
  }
  if (!value.is<Json::Object>()) return;
  for (const Json::Member& member : value.as<Json::Object>()) {
    if (member.key != "file" || !member.value.is<std::string>()) {
      CollectFiles(member.value, look_inside, files);
      continue;
    }
    const std::string path = member.value.as<std::string>();
    if (std::find(files.begin(), files.end(), path) != files.end()) continue;
    files.push_back(path);
    if (!look_inside) continue;
    Json content = ReadJsonFile(path);
    ResolveFileNames(content, std::filesystem::path(path).parent_path().string());
    CollectFiles(content, look_inside, files);
  }
}

}  // namespace

std::vector<SampleShape> Scenario::DrawShapes(RandomStream& random, int count) const {
  std::vector<SampleShape> shapes;
  shapes.reserve(static_cast<std::size_t>(count));
  try {
    for (int i = 0; i < count; ++i) shapes.push_back(ShapeOf(samples->Draw(random), model));
  } catch (const InputError& error) {
    if (!error.file().empty()) throw;
    throw InputError(file, pointer + "/samples", error.what());  // a sample does not know where it was asked for
  }
  return shapes;
}

std::vector<Sample> Scenario::DrawSamples(RandomStream& random, int count) const {
  std::vector<Sample> drawn;
  drawn.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) drawn.push_back(samples->Draw(random));
  return drawn;
}

Scenario ReadScenario(const JsonReader& json, const std::vector<PolicySpec>& policies) {
  constexpr std::int64_t kMostSamples = 1'000'000;
  Scenario scenario;
  scenario.name = ReadName(json.At("name"));
  json.AllowOnly(kScenarioKeys);
  scenario.file = json.file();
  scenario.pointer = json.pointer();
  scenario.json = json.json();
  scenario.model = ReadModel(json.At("model"));
  scenario.cluster = ReadCluster(json.At("cluster"));
  scenario.software = ReadSoftwareStack(json);
  for (int kind = 0; kind < scenario.cluster.kinds(); ++kind) {
    scenario.kernels.push_back(
        ReadKernelCosts(json, scenario.cluster, scenario.cluster.node_of_kind(KindId{kind}), scenario.software));
  }
  if (const auto costs = json.Find("costs"); costs && costs->IsObject()) {
    scenario.max_extrapolated_fraction =
        costs->NumberOr("max_extrapolated_fraction", costs->Has("file") ? kMostExtrapolated : 1, 0, 1);
  }
  const JsonReader samples = json.At("samples");
  scenario.samples = Once<SampleSource>(samples.json().Dump(), [&] { return ReadSampleSource(samples); });
  scenario.planning_samples = static_cast<int>(json.IntOr("planning_samples", 256, 1, kMostSamples));
  scenario.global_batch_size = static_cast<int>(json.At("global_batch_size").Int(1, kMostSamples));
  RandomStream trial = scenario.Stream(0, "trial");  // models and samples that do not go together show early
  scenario.DrawShapes(trial, scenario.planning_samples);
  if (const auto anomalies = json.Find("anomalies")) scenario.anomalies = ReadAnomalies(*anomalies, scenario);
  if (const auto loading = json.Find("data_loading")) {
    scenario.data_loading = ReadDataLoading(*loading);
    RandomStream raw = scenario.Stream(0, "trial");
    for (const Sample& sample : scenario.DrawSamples(raw, scenario.planning_samples)) {
      if (sample.direct)
        loading->Fail("has no effect on samples of tiles and llm_tokens: what was loaded is not known");
    }
  }
  if (const auto training = json.Find("training")) scenario.training = ReadTraining(*training);
  const auto own = json.Find("policies");
  scenario.policies = own ? ReadPolicies(*own) : policies;
  if (scenario.policies.empty()) json.Fail("has no policies, and the experiment has none either");
  return scenario;
}

void ResolveFiles(Json& scenario, const std::string& folder) {
  const std::string absolute = std::filesystem::absolute(folder.empty() ? "." : folder).string();
  if (!scenario.is<Json::Object>()) return;
  for (Json::Member& member : scenario.as<Json::Object>()) {
    const bool may_name_files =
        std::find(kKeysWithFiles.begin(), kKeysWithFiles.end(), member.key) != kKeysWithFiles.end();
    if (may_name_files) ResolveFileNames(member.value, absolute);
  }
}

std::vector<std::string> FilesOf(const Json& scenario) {
  std::vector<std::string> files;
  for (const std::string& key : kKeysWithFiles) {
    const Json* value = scenario.find(key);
    // Traces and samples name no further files, and reading them twice would be slow.
    if (value != nullptr) CollectFiles(*value, key == "model" || key == "cluster", files);
  }
  return files;
}

}  // namespace dflop
