// Packs of unequal sequences as the LLM of a job sees them.
#pragma once

#include <cstdint>
#include <vector>

#include "models/model_spec.hpp"

namespace dflop {

/// LLM tokens of each sample of three microbatches, of 4, 8 and 16 samples: drawn from "dflop-mix" where the model sees
/// images, from "audio" where it only hears, else from "text-only". The same ones every time.
std::vector<std::vector<std::int64_t>> JobPacks(const ModelSpec& model);

}  // namespace dflop
