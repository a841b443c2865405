// How the programs of this folder end: what the user got wrong is 2, what failed is 1, either is told in a line.
#pragma once

#include <cstdio>
#include <exception>

#include "base/error.hpp"

namespace dflop {

/// Of `work`, which returns its own where nothing goes wrong.
template <typename Work>
int ExitStatusOf(Work work) {
  try {
    return work();
  } catch (const InputError& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

}  // namespace dflop
