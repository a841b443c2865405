// A build without MPI: ranks are threads of one process.
#include "base/error.hpp"
#include "real_runner/messages/transport.hpp"

namespace dflop {

bool HasMpi() { return false; }

std::unique_ptr<MpiJob> JoinMpi() {
  throw InputError(
      "was started by an MPI launcher but built without MPI (libopenmpi-dev); without a launcher it runs every rank as "
      "a thread");
}

}  // namespace dflop
