// The CPU backend, where this build has one.
#pragma once

#include <memory>

#include "base/error.hpp"
#include "real_runner/kernels/backend.hpp"

namespace dflop {

inline std::unique_ptr<Backend> CpuBackendOrNull() {
  try {
    return MakeCpuBackend();
  } catch (const InputError&) {
    return nullptr;
  }
}

}  // namespace dflop
