// What every policy of an experiment is, in the words of its plug-ins, for whoever reads a result without the program.
#pragma once

#include <string>

#include "experiments/spec/experiment.hpp"

namespace dflop {

/// The head of a plug-in's summary: up to its first colon, semicolon or bracket.
std::string SummaryHead(const std::string& summary);

/// [{"name", "layout", "batching", "pipeline", "correction", "line"}, …]: the plug-ins' names and a line of what they
/// do; a policy that scenarios define differently is told as its first scenario has it. Without "correction" where
/// there is none.
Json DescribePolicies(const Experiment& experiment);

}  // namespace dflop
