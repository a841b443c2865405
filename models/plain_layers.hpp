// For whoever runs layers for real, or measures them, and knows plain ones only.
#pragma once

#include <string>

#include "models/model_spec.hpp"

namespace dflop {

/// The first of a module's keys that plain layers do not have ("experts", "lora", …), "" where there is none.
std::string KeyBeyondPlainLayers(const ModelSpec& model, int module);

}  // namespace dflop
