// `real_runner run`.
#pragma once

namespace CLI {
class App;
}

namespace dflop {

/// The callback throws InputError (exit 2) and RunError (exit 1).
void AddRunCommand(CLI::App& app);

}  // namespace dflop
