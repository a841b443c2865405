// Stands in for sim/engine/simgrid_engine.cpp in a build without SimGrid.
#include "base/error.hpp"
#include "models/cluster_spec.hpp"
#include "sim/engine/engine.hpp"

namespace dflop {

bool HasSimGridEngine() { return false; }

std::unique_ptr<Engine> MakeSimGridEngine(const ClusterSpec&) {
  throw InputError(
      "this program was built without SimGrid, so the engine \"simgrid\" is missing; use \"replay\", or install "
      "libsimgrid-dev, libboost-dev and pkg-config and build again with -DDFLOP_SIMGRID=ON");
}

}  // namespace dflop
