// `real_runner validate`.
#pragma once

#include <string>

#include "base/json.hpp"

namespace CLI {
class App;
}

namespace dflop {

/// `provenance`: what of this program and its call goes into the results. The callback throws InputError (exit 2) and
/// RunError (exit 1).
void AddValidateCommand(CLI::App& app, const Json& provenance);

}  // namespace dflop
