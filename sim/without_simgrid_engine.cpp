// Stands in for sim/simgrid_engine.cpp in a build without SimGrid.
#include "base/error.hpp"
#include "sim/engine.hpp"

namespace dflop {

bool HasSimGridEngine() { return false; }

std::unique_ptr<Engine> MakeSimGridEngine(const ClusterSpec&) {
  throw InputError(
      "this program was built without SimGrid, so the engine \"simgrid\" is missing; use \"replay\", or install "
      "libsimgrid-dev, libboost-dev and pkg-config and build again with -DDFLOP_SIMGRID=ON");
}

}  // namespace dflop
