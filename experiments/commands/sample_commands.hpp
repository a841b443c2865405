// `dflop samples import|generate|inspect`: sample sets on the command line.
#pragma once

#include <CLI/CLI.hpp>

namespace dflop {

/// Adds the subcommand `samples` to the program. Its callbacks throw InputError and RunError.
void AddSampleCommands(CLI::App& app);

}  // namespace dflop
