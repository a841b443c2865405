// Stands in for real_runner/cpu/ where CMake found no OpenBLAS.
#include "base/error.hpp"
#include "real_runner/execute/cpu_worker.hpp"
#include "real_runner/kernels/backend.hpp"

namespace dflop {
namespace {

constexpr char kWhat[] = "this program was built without OpenBLAS; install libopenblas-dev and build again";

}  // namespace

std::unique_ptr<Backend> MakeCpuBackend() { throw InputError(std::string("--backend cpu: ") + kWhat); }

std::unique_ptr<StageWorker> MakeCpuWorker(const Plan&, int) {
  throw InputError(std::string("--backend cpu: ") + kWhat);
}

std::string WhyCpuCannot(const Plan&) { return kWhat; }

}  // namespace dflop
