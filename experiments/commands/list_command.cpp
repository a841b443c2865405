// `dflop list`: what there is to choose from, one line each with its source.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>

#include "base/terminal.hpp"
#include "base/text.hpp"
#include "experiments/commands/commands.hpp"
#include "models/software_presets.hpp"
#include "policies/api/batch_scheduler.hpp"
#include "policies/api/correction.hpp"
#include "policies/api/layout_planner.hpp"
#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"
#include "traces/samples.hpp"

namespace dflop {
namespace {

struct Entry {
  std::string kind;
  std::string name;
  std::string source;
  Json parameters = Json::EmptyArray();  ///< for programs
  std::vector<std::string> lines = {};   ///< the same for people
};
using Entries = std::vector<Entry>;

template <typename Interface>
Entries Plugins(const std::string& kind) {
  Entries entries;
  for (const PluginInfo& info : Registry<Interface>::Instance().List()) {
    Entry& entry = entries.emplace_back(Entry{kind, info.name, info.summary});
    for (const Parameter& parameter : info.parameters) {
      entry.parameters.push_back(ToJson(parameter));
      entry.lines.push_back(InWords(parameter));
    }
  }
  return entries;
}

Entries Layouts() { return Plugins<LayoutPlanner>("layout"); }
Entries Batchers() { return Plugins<BatchScheduler>("batching"); }
Entries Pipelines() { return Plugins<PipelineSchedule>("pipeline"); }
Entries Corrections() { return Plugins<Correction>("correction"); }

Entries Policies() {
  Entries all;
  for (const Entries& kind : {Layouts(), Batchers(), Pipelines(), Corrections()}) {
    all.insert(all.end(), kind.begin(), kind.end());
  }
  return all;
}

Entries Named(const std::string& kind, const std::vector<std::string>& names,
              const std::function<std::string(const std::string&)>& source) {
  Entries entries;
  for (const std::string& name : names) entries.push_back({kind, name, source(name)});
  return entries;
}

Entries Models() {
  return Named("model", BuiltInModelNames(), [](const std::string& name) { return BuiltInModel(name).source; });
}
Entries Clusters() { return Named("cluster", BuiltInClusterNames(), ClusterSource); }
Entries Samples() {
  Entries entries;
  for (const GeneratorInfo& info : SampleGenerators()) {
    Entry& entry = entries.emplace_back(Entry{"samples", info.name, info.description});
    for (const auto& [name, standard] : info.parameters) {
      Json parameter;
      parameter["name"] = name;
      parameter["default"] = standard;
      entry.parameters.push_back(std::move(parameter));
      entry.lines.push_back(name + "  default " + ShortestNumber(standard));
    }
  }
  return entries;
}
/// With the words that each stands for.
Entries Software() {
  Entries entries = Named("software", SoftwarePresetNames(), SoftwarePresetSource);
  for (Entry& entry : entries) {
    const Json words = WithPreset(entry.name, Json::EmptyObject());
    for (const Json::Member& word : words.as<Json::Object>()) {
      Json parameter;
      parameter["name"] = word.key;
      parameter["default"] = word.value;
      entry.parameters.push_back(std::move(parameter));
      entry.lines.push_back(word.key + "  " + word.value.Dump());
    }
  }
  return entries;
}
Entries Gpus() { return Named("gpu", BuiltInGpuNames(), GpuSource); }

const std::map<std::string, std::function<Entries()>> kLists = {
    {"policies", Policies},       {"layouts", Layouts},  {"batchers", Batchers}, {"pipelines", Pipelines},
    {"corrections", Corrections}, {"models", Models},    {"clusters", Clusters}, {"gpus", Gpus},
    {"samples", Samples},         {"software", Software}};

void PrintText(const Entries& entries, bool with_kind) {
  constexpr std::size_t kKindColumns = 12;
  std::size_t width = 0;
  for (const Entry& entry : entries) width = std::max(width, Columns(entry.name));
  const std::size_t indent = width + 4 + (with_kind ? kKindColumns : 0);
  std::string text;
  for (const Entry& entry : entries) {
    if (with_kind) text += entry.kind + std::string(kKindColumns - Columns(entry.kind), ' ');
    text += entry.name + std::string(width + 2 - Columns(entry.name), ' ') + entry.source + "\n";
    for (const std::string& line : entry.lines) text += std::string(indent, ' ') + line + "\n";
  }
  PrintWrapped(text);
}

void PrintJson(const Entries& entries) {
  Json all = Json::EmptyArray();
  for (const Entry& entry : entries) {
    Json json;
    json["kind"] = entry.kind;
    json["name"] = entry.name;
    json["source"] = entry.source;
    json["parameters"] = entry.parameters;
    all.push_back(std::move(json));
  }
  std::printf("%s\n", all.Dump(1).c_str());
}

struct ListArguments {
  std::string what;
  bool json = false;
};

}  // namespace

void AddListCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand("list", "what there is: policies, models, machines, samples");
  const auto arguments = std::make_shared<ListArguments>();
  std::vector<std::string> names;
  names.reserve(kLists.size());
  for (const auto& [name, list] : kLists) names.push_back(name);
  command->add_option("what", arguments->what, "policies are the plug-ins of all four kinds")
      ->required()
      ->check(CLI::IsMember(names));
  command->add_flag("--json", arguments->json, "a JSON array of {kind, name, source, parameters}");
  command->footer("Example: dflop list models");
  command->callback([arguments] {
    const Entries entries = kLists.at(arguments->what)();
    arguments->json ? PrintJson(entries) : PrintText(entries, arguments->what == "policies");
  });
}

}  // namespace dflop
