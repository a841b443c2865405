#include "experiments/policy_spec.hpp"

#include <algorithm>
#include <cctype>

#include "policies/registry.hpp"

namespace dflop {
namespace {

template <typename Interface>
std::unique_ptr<Interface> MakePlugin(const PolicySpec& policy, const Json& spec, const char* key) {
  return Registry<Interface>::Instance().Make(JsonReader(spec, policy.file, policy.pointer + "/" + key));
}

PolicySpec ReadPolicy(const JsonReader& json) {
  PolicySpec policy;
  policy.name = ReadName(json.At("name"));
  policy.layout = json.At("layout").json();
  policy.batching = json.At("batching").json();
  policy.pipeline = json.At("pipeline").json();
  policy.correction = json.Has("correction") ? json.At("correction").json() : Json("off");
  policy.file = json.file();
  policy.pointer = json.pointer();
  json.AllowOnly({"name", "layout", "batching", "pipeline", "correction"});
  policy.MakePlanner();
  policy.MakeBatcher();
  policy.MakeSchedule();
  policy.MakeCorrection();
  return policy;
}

}  // namespace

std::unique_ptr<LayoutPlanner> PolicySpec::MakePlanner() const {
  return MakePlugin<LayoutPlanner>(*this, layout, "layout");
}
std::unique_ptr<BatchScheduler> PolicySpec::MakeBatcher() const {
  return MakePlugin<BatchScheduler>(*this, batching, "batching");
}
std::unique_ptr<PipelineSchedule> PolicySpec::MakeSchedule() const {
  return MakePlugin<PipelineSchedule>(*this, pipeline, "pipeline");
}
std::unique_ptr<Correction> PolicySpec::MakeCorrection() const {
  return MakePlugin<Correction>(*this, correction, "correction");
}

std::vector<PolicySpec> ReadPolicies(const JsonReader& json) {
  if (json.Size() == 0) json.Fail("is empty, at least one policy is wanted");
  std::vector<PolicySpec> policies;
  for (const JsonReader& element : json.Elements()) {
    PolicySpec policy = ReadPolicy(element);
    const bool taken = std::any_of(policies.begin(), policies.end(),
                                   [&](const PolicySpec& other) { return other.name == policy.name; });
    if (taken) element.At("name").Fail("another policy is called " + JsonQuote(policy.name));
    policies.push_back(std::move(policy));
  }
  return policies;
}

std::string ReadName(const JsonReader& json) {
  const std::string name = json.String();
  if (name.size() > 100) json.Fail("is longer than 100 characters");
  const bool printable = std::none_of(name.begin(), name.end(), [](unsigned char c) { return std::iscntrl(c) != 0; });
  if (!printable) json.Fail("holds a control character");
  return name;
}

Json ToJson(const PolicySpec& policy) {
  Json json;
  json["name"] = policy.name;
  json["layout"] = policy.layout;
  json["batching"] = policy.batching;
  json["pipeline"] = policy.pipeline;
  json["correction"] = policy.correction;
  return json;
}

}  // namespace dflop
