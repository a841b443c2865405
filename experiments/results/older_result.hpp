// A stored result that this program cannot read: what to do about it.
#pragma once

#include <string>

#include "base/error.hpp"
#include "base/json.hpp"

namespace dflop {

/// The same mistake with the command behind it that makes `result` anew: the given one, the stored one, or a `dflop
/// run` with what the result still says about itself. A mistake in another file than the result's stays as it is.
InputError WithCommandToRemake(const InputError& error, const Json& result, const std::string& path,
                               const std::string& command = "");

}  // namespace dflop
