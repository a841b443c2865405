// What happens when a plug-in hands back nonsense: its own mistake, not the user's and not the house's.
#pragma once

#include <string>

#include "base/error.hpp"

namespace dflop {

/// Names the plug-in and what is wrong with its output; whoever runs the job adds scenario, policy and step. Exit 1.
class PluginError : public RunError {
 public:
  using RunError::RunError;
};

/// What the work returns; a plug-in's mistake in it is told with `where`: "step 3, seed 1".
template <typename Work>
auto TellingWhere(const std::string& where, Work work) {
  try {
    return work();
  } catch (const PluginError& error) {
    throw PluginError(where + ": " + error.what());
  }
}

}  // namespace dflop
