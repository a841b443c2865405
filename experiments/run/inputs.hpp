// Everything that decides a result, named by its SHA-256.
#pragma once

#include <string>

#include "experiments/run/point_run.hpp"

namespace dflop {

/// {path: hash} of the experiment, of every file it names (paths relative to the experiment's folder) and of the
/// built-in tables.
Json InputHashes(const Experiment& experiment);

/// Hash of all that a unit's result depends on; equal hashes mean equal results, wall-clock fields apart.
std::string UnitHash(const Unit& unit, const Json& inputs, TraceDetail trace);

}  // namespace dflop
