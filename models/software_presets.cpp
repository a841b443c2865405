// A preset is read like the words that a user writes, so it can say nothing that a user could not.
#include "models/software_presets.hpp"

#include "models/model_data.hpp"

namespace dflop {
namespace {

const Json& Presets() {
  static const Json all = BuiltInJson("software.json");
  return all;
}

const Json& PresetNamed(const std::string& name) { return *Presets().find(name); }

}  // namespace

std::vector<std::string> SoftwarePresetNames() { return JsonReader(Presets(), "built-in software.json").Keys(); }

std::string SoftwarePresetSource(const std::string& name) {
  return PresetNamed(name).find("source")->as<std::string>();
}

std::string PresetOf(const JsonReader& software) {
  if (software.IsString()) return software.OneOf(SoftwarePresetNames());
  if (!software.IsObject())
    software.Fail(std::string("is ") + software.json().kind() + ", a preset's name or an object is wanted");
  return software.Has("preset") ? software.At("preset").OneOf(SoftwarePresetNames()) : std::string();
}

Json WithPreset(const std::string& preset, const Json& software) {
  Json words = *PresetNamed(preset).find("software");
  if (!software.is<Json::Object>()) return words;
  for (const Json::Member& member : software.as<Json::Object>()) words[member.key] = member.value;
  return words;
}

Json PresetAttention(const std::string& preset) {
  Json words = Json::EmptyObject();
  if (const Json* attention = PresetNamed(preset).find("attention")) words["attention"] = *attention;
  return words;
}

}  // namespace dflop
