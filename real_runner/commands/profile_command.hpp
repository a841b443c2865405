// `real_runner profile`.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace dflop {

/// `command_line` as typed, for the trace. The callback throws InputError (exit 2) and RunError (exit 1).
void AddProfileCommand(CLI::App& app, const std::string& command_line);

}  // namespace dflop
