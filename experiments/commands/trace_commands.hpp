// `dflop trace import|inspect|compare`: tables of measured kernels and collectives on the command line.
#pragma once

namespace CLI {
class App;
}

namespace dflop {

/// Adds the subcommand `trace` to the program. Its callbacks throw InputError and RunError.
void AddTraceCommands(CLI::App& app);

}  // namespace dflop
