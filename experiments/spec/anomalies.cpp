// Each kind is read, and told in words, by a function of its own; words stand in results as assumptions do.
#include "experiments/spec/anomalies.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace dflop {
namespace {

constexpr int kMostSteps = 1'000'000;

/// "llm" or an encoder's name.
int ReadModule(const JsonReader& json, const ModelSpec& model) {
  std::vector<std::string> names;
  names.reserve(model.encoders.size() + 1);
  for (const EncoderSpec& encoder : model.encoders) names.push_back(encoder.name);
  names.emplace_back("llm");
  const std::string name = json.OneOf(names);
  return static_cast<int>(std::find(names.begin(), names.end(), name) - names.begin());
}

/// The share of a scenario's samples in every range of token counts, from samples of their own random stream.
std::map<std::int64_t, double> SharesOfRanges(const Scenario& scenario, int module, double range_tokens) {
  constexpr int kDrawn = 4096;
  RandomStream random = scenario.Stream(0, "shapes");
  std::map<std::int64_t, double> shares;
  for (const SampleShape& shape : scenario.DrawShapes(random, kDrawn)) {
    shares[RangeOf(TokensIn(scenario.model, module, shape), range_tokens)] += 1.0 / kDrawn;
  }
  return shares;
}

/// No subset of the ranges comes near a share that is less than half of the rarest.
void CheckRareEnough(const JsonReader& json, const SlowShapes& shapes) {
  double rarest = 1;
  for (const auto& [range, share] : shapes.ranges) rarest = std::min(rarest, share);
  if (shapes.share == 0 || rarest < 2 * shapes.share) return;
  json.At("share").Fail("is " + Format("%.6g", shapes.share) + ", but the rarest range of shapes already has " +
                        Format("%.6g", rarest) + " of the samples");
}

SlowShapes ReadSlowShapes(const JsonReader& json, const Scenario& scenario) {
  json.AllowOnly({"kind", "module", "share", "delay", "range_tokens", "per", "stages"});
  SlowShapes shapes;
  const auto module = json.Find("module");
  shapes.module = module ? ReadModule(*module, scenario.model) : scenario.model.llm_module();
  shapes.share = json.At("share").Number(0, 1);
  shapes.delay = json.At("delay").Number(0, 100);
  shapes.range_tokens = json.NumberOr("range_tokens", shapes.range_tokens, 1, 1e6);
  shapes.per_microbatch = json.OneOfOr("per", "sample", {"sample", "microbatch"}) == "microbatch";
  shapes.all_stages = json.OneOfOr("stages", "first", {"first", "all"}) == "all";
  shapes.ranges = SharesOfRanges(scenario, shapes.module, shapes.range_tokens);
  CheckRareEnough(json, shapes);
  return shapes;
}

Drift ReadDrift(const JsonReader& json, const Scenario& scenario) {
  json.AllowOnly({"kind", "module", "per_step", "limit"});
  Drift drift;
  if (const auto module = json.Find("module")) drift.module = ReadModule(*module, scenario.model);
  drift.per_step = json.At("per_step").Number(0, 1);
  drift.limit = json.NumberOr("limit", drift.limit, 0, 100);
  return drift;
}

int ReadGpuNumber(const JsonReader& json, const Scenario& scenario) {
  return static_cast<int>(json.At("gpu").Int(0, scenario.cluster.gpus() - 1));
}

SlowDevice ReadSlowDevice(const JsonReader& json, const Scenario& scenario) {
  json.AllowOnly({"kind", "gpu", "factor", "from_step"});
  SlowDevice device;
  device.gpu = ReadGpuNumber(json, scenario);
  device.factor = json.At("factor").Number(1, 100);
  device.from_step = static_cast<int>(json.IntOr("from_step", 0, 0, kMostSteps));
  return device;
}

Noise ReadNoise(const JsonReader& json) {
  json.AllowOnly({"kind", "per_kernel", "per_step", "tail_share", "tail_factor"});
  Noise noise;
  noise.per_kernel = json.NumberOr("per_kernel", noise.per_kernel, 0, 1);
  noise.per_step = json.NumberOr("per_step", noise.per_step, 0, 1);
  if (json.Has("tail_share") || json.Has("tail_factor")) {
    noise.tail_share = json.At("tail_share").Number(0, 1);
    noise.tail_factor = json.At("tail_factor").Number(1, 1000);
  }
  return noise;
}

SlowLink ReadSlowLink(const JsonReader& json, const Scenario& scenario) {
  json.AllowOnly({"kind", "gpu", "link", "factor", "from_step"});
  SlowLink link;
  link.gpu = ReadGpuNumber(json, scenario);
  link.nic = json.At("link").OneOf({"nic", "nvlink"}) == "nic";
  link.factor = json.At("factor").Number(1, 1e6);
  link.from_step = static_cast<int>(json.IntOr("from_step", 0, 0, kMostSteps));
  return link;
}

FlappingNic ReadFlappingNic(const JsonReader& json, const Scenario& scenario) {
  json.AllowOnly({"kind", "gpu", "share", "factor"});
  return {ReadGpuNumber(json, scenario), json.At("share").Number(0, 1), json.At("factor").Number(1, 1e6)};
}

Anomaly ReadAnomaly(const JsonReader& json, const Scenario& scenario) {
  const std::string kind =
      json.At("kind").OneOf({"slow-shapes", "drift", "slow-device", "noise", "slow-link", "flapping-nic"});
  if (kind == "slow-link") return ReadSlowLink(json, scenario);
  if (kind == "flapping-nic") return ReadFlappingNic(json, scenario);
  if (kind == "noise") return ReadNoise(json);
  if (kind == "slow-shapes") return ReadSlowShapes(json, scenario);
  if (kind == "drift") return ReadDrift(json, scenario);
  return ReadSlowDevice(json, scenario);
}

std::string PercentOf(double share) { return Format("%.6g %%", 100 * share); }

std::string Describe(const SlowShapes& shapes, const ModelSpec& model) {
  return PercentOf(shapes.share) + " of the samples, by ranges of " + Format("%.6g", shapes.range_tokens) +
         " tokens drawn per seed, add " + PercentOf(shapes.delay) + " of the largest stage duration " +
         (shapes.per_microbatch ? "once to a microbatch" : "each") + " in " +
         (shapes.all_stages ? "every stage" : "the first stage") + " of " + model.module_name(shapes.module);
}

std::string Describe(const Drift& drift, const ModelSpec& model) {
  return (drift.module < 0 ? std::string("every module") : model.module_name(drift.module)) + " becomes " +
         PercentOf(drift.per_step) + " slower a step, up to " + PercentOf(drift.limit);
}

std::string Describe(const SlowDevice& device, const ModelSpec&) {
  return "GPU " + std::to_string(device.gpu) + " takes " + Format("%.6g", device.factor) + " times as long from step " +
         std::to_string(device.from_step) + " on";
}

std::string Describe(const Noise& noise, const ModelSpec&) {
  std::string text = "what a GPU computes varies by " + PercentOf(noise.per_kernel) +
                     " from operation to operation, a group waiting for its slowest GPU, and by " +
                     PercentOf(noise.per_step) + " from step to step";
  if (noise.tail_share == 0) return text;
  return text + ", and " + PercentOf(noise.tail_share) + " of the operations take " +
         Format("%.6g", noise.tail_factor) + " times as long";
}

std::string Describe(const SlowLink& link, const ModelSpec&) {
  return std::string(link.nic ? "the NIC" : "the NVLinks") + " of GPU " + std::to_string(link.gpu) +
         (link.nic ? " carries " : " carry ") + Format("%.6g", link.factor) + " times less from step " +
         std::to_string(link.from_step) + " on";
}

std::string Describe(const FlappingNic& nic, const ModelSpec&) {
  return "the NIC of GPU " + std::to_string(nic.gpu) + " carries " + Format("%.6g", nic.factor) + " times less in " +
         PercentOf(nic.share) + " of the steps, drawn by seed";
}

/// Whether two anomalies would draw the same numbers.
bool DrawTheSame(const Anomaly& a, const Anomaly& b, const ClusterSpec& cluster) {
  if (std::holds_alternative<Noise>(a)) return std::holds_alternative<Noise>(b);
  const auto* one = std::get_if<FlappingNic>(&a);
  const auto* two = std::get_if<FlappingNic>(&b);
  return one != nullptr && two != nullptr && cluster.nic_number(one->gpu) == cluster.nic_number(two->gpu);
}

/// The last one of the anomalies draws what no other does.
void CheckDrawsOfLast(const JsonReader& json, const std::vector<Anomaly>& anomalies, const ClusterSpec& cluster) {
  for (std::size_t i = 0; i + 1 < anomalies.size(); ++i) {
    if (!DrawTheSame(anomalies[i], anomalies.back(), cluster)) continue;
    json.Fail(std::holds_alternative<Noise>(anomalies[i]) ? "is noise for the second time; once is allowed"
                                                          : "lets a NIC flap for the second time; once is allowed");
  }
}

}  // namespace

std::vector<Anomaly> ReadAnomalies(const JsonReader& json, const Scenario& scenario) {
  std::vector<Anomaly> anomalies;
  for (const JsonReader& element : json.Elements()) {
    anomalies.push_back(ReadAnomaly(element, scenario));
    CheckDrawsOfLast(element, anomalies, scenario.cluster);
  }
  return anomalies;
}

std::string DescribeAnomalies(const Scenario& scenario) {
  std::string text;
  for (const Anomaly& anomaly : scenario.anomalies) {
    if (!text.empty()) text += "; ";
    text += std::visit([&](const auto& kind) { return Describe(kind, scenario.model); }, anomaly);
  }
  return text;
}

}  // namespace dflop
