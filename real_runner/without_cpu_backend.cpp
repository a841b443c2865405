// Stands in for real_runner/cpu/ where CMake found no OpenBLAS.
#include "base/error.hpp"
#include "real_runner/backend.hpp"

namespace dflop {

std::unique_ptr<Backend> MakeCpuBackend() {
  throw InputError("--backend cpu: this program was built without OpenBLAS; install libopenblas-dev and build again");
}

}  // namespace dflop
