// Software stacks by name: which words a stack of a time and a team means (models/data/software.json, with what each is
// based on).
#pragma once

#include <string>
#include <vector>

#include "base/json_reader.hpp"

namespace dflop {

std::vector<std::string> SoftwarePresetNames();
/// What the words of a preset are based on.
std::string SoftwarePresetSource(const std::string& name);

/// The preset that a scenario's `software` names, by itself or as `preset` among other words; empty: none. An unknown
/// name fails.
std::string PresetOf(const JsonReader& software);
/// The words of a preset, those that stand beside its name in place of its own.
Json WithPreset(const std::string& preset, const Json& software);
/// {"attention": …} where the preset says which attention it computes, else {}: the scenario's word, were it silent.
Json PresetAttention(const std::string& preset);

}  // namespace dflop
