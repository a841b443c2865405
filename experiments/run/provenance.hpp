// Which program made a result: commit, compiler, libraries.
#pragma once

#include <string>

#include "base/json.hpp"

namespace dflop {

/// "dflop 0.1.0 (commit …, with local changes)".
std::string VersionLine();

/// The `provenance` object of a result: git commit, dirty, compiler, library versions, command, date (UTC).
Json Provenance(const std::string& command);

/// SHA-256 of the running program: a partial result is only resumed by the very program that began it.
const std::string& ProgramHash();

}  // namespace dflop
