// Plug-ins are made once on reading, to find mistakes early; paths among their parameters become absolute.
#include "experiments/spec/policy_spec.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>

#include "policies/api/checked_plugins.hpp"
#include "policies/api/registry.hpp"

namespace dflop {
namespace {

template <typename Interface>
std::unique_ptr<Interface> MakePlugin(const PolicySpec& policy, const Json& spec, const char* key) {
  const JsonReader json(spec, policy.file, policy.pointer + "/" + key);
  std::unique_ptr<Interface> plugin = Registry<Interface>::Instance().Make(json);
  return Checked(std::move(plugin), json.IsString() ? json.String() : json.At("name").String());
}

constexpr std::array<const char*, 2> kPathKeys = {"file", "profile"};

/// A plug-in as it was written, the paths among its parameters made absolute.
Json ReadPlugin(const JsonReader& json) {
  Json plugin = json.json();
  for (const char* key : kPathKeys) {
    const auto path = json.IsObject() ? json.Find(key) : std::nullopt;
    if (!path || !path->IsString()) continue;
    const std::filesystem::path folder = std::filesystem::absolute(json.file()).parent_path();
    plugin[key] = Json((folder / path->String()).lexically_normal().string());
  }
  return plugin;
}

PolicySpec ReadPolicy(const JsonReader& json) {
  PolicySpec policy;
  policy.name = ReadName(json.At("name"));
  policy.layout = ReadPlugin(json.At("layout"));
  policy.batching = ReadPlugin(json.At("batching"));
  policy.pipeline = ReadPlugin(json.At("pipeline"));
  policy.correction = json.Has("correction") ? ReadPlugin(json.At("correction")) : Json("off");
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

std::vector<std::string> FilesOf(const PolicySpec& policy) {
  std::vector<std::string> files;
  for (const Json* plugin : {&policy.layout, &policy.batching, &policy.pipeline, &policy.correction}) {
    for (const char* key : kPathKeys) {
      const Json* path = plugin->find(key);
      if (path == nullptr || !path->is<std::string>()) continue;
      std::error_code error;  // what is no folder is a file, and what is not there the plug-in reports
      if (std::filesystem::is_regular_file(path->as<std::string>(), error)) files.push_back(path->as<std::string>());
      for (const auto& entry : std::filesystem::directory_iterator(path->as<std::string>(), error)) {
        const std::string ending = entry.path().extension();
        if (entry.is_regular_file(error) && (ending == ".csv" || ending == ".json")) {
          files.push_back(entry.path().string());
        }
      }
    }
  }
  return files;
}

}  // namespace dflop
