// The measured traces of traces/data/, compiled in.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/embedded_file.hpp"
#include "traces/cost_trace.hpp"

namespace dflop {

std::span<const EmbeddedFile> TraceData();

/// The trace of traces/data/<gpu>.json, or nothing.
std::optional<CostTrace> CommittedTrace(const std::string& gpu);

}  // namespace dflop
