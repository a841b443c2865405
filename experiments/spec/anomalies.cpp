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

SlowDevice ReadSlowDevice(const JsonReader& json, const Scenario& scenario) {
  json.AllowOnly({"kind", "gpu", "factor", "from_step"});
  SlowDevice device;
  device.gpu = static_cast<int>(json.At("gpu").Int(0, scenario.cluster.gpus() - 1));
  device.factor = json.At("factor").Number(1, 100);
  device.from_step = static_cast<int>(json.IntOr("from_step", 0, 0, kMostSteps));
  return device;
}

Anomaly ReadAnomaly(const JsonReader& json, const Scenario& scenario) {
  const std::string kind = json.At("kind").OneOf({"slow-shapes", "drift", "slow-device"});
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

}  // namespace

std::vector<Anomaly> ReadAnomalies(const JsonReader& json, const Scenario& scenario) {
  std::vector<Anomaly> anomalies;
  for (const JsonReader& element : json.Elements()) anomalies.push_back(ReadAnomaly(element, scenario));
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
