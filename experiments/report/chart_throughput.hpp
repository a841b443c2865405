// The paper's Fig 2: throughput against the shape of the input, a line per tensor-parallel degree.
#pragma once

#include <vector>

#include "experiments/report/svg.hpp"
#include "models/model_profile.hpp"

namespace dflop {

enum class ProfiledPart { kLinear, kAttention };

/// What there is a curve of: attention is priced apart in the LLM only.
std::vector<ProfiledPart> PartsOf(const ModuleProfile& module);

/// Rates per GPU over tiles or tokens (logarithmic). `relative`: over those of the smallest degree, as the paper draws
/// it; the chart then shows what tensor parallelism costs.
Svg ThroughputChart(const ModuleProfile& module, ProfiledPart part, bool relative);

}  // namespace dflop
