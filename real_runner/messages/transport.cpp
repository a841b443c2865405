// What all transports share: names beyond the step's messages are negative, and a start is agreed on through rank 0.
#include "real_runner/messages/transport.hpp"

#include <cstdlib>
#include <utility>

#include "real_runner/kernels/steady_clock.hpp"

namespace dflop {
namespace {

// Names of parcels that belong to no message of a step are negative.
constexpr std::int64_t kReady = -1;  // − rank
constexpr std::int64_t kStart = std::int64_t{-1} << 32;
constexpr double kNotice = 1e-3;  // until everybody has heard when to start

}  // namespace

Parcel Transport::Wait(std::int64_t name) {
  waits_.store(true);
  Hurry();
  Parcel parcel = mailbox_.Wait(name, [this] { watch_(); });
  waits_.store(false);
  return parcel;
}

double Transport::Meet() {
  if (rank() > 0) {
    Send(0, {kReady - rank()});
    return Wait(kStart).start_s;
  }
  for (int other = 1; other < size(); ++other) Wait(kReady - other);
  const double start = NowSeconds() + kNotice;
  for (int other = 1; other < size(); ++other) Send(other, {kStart, start});
  return start;
}

void Transport::Deliver(Parcel parcel) {
  if (parcel.arrives_s == 0) parcel.arrives_s = NowSeconds();
  std::shared_ptr<Intercept> intercept;
  {
    const std::lock_guard lock(intercepting_);
    intercept = intercept_;
  }
  if (intercept && (*intercept)(parcel)) return;  // it may send, also to this rank, so nothing is locked
  mailbox_.Put(std::move(parcel));
}

void Transport::SetIntercept(Intercept intercept) {
  const std::lock_guard lock(intercepting_);
  intercept_ = intercept ? std::make_shared<Intercept>(std::move(intercept)) : nullptr;
}

// Open MPI; MPICH, Intel MPI and Slurm's PMI.
bool UnderMpiLauncher() { return std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr || std::getenv("PMI_SIZE") != nullptr; }

int LauncherRank() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMI_RANK"}) {
    if (const char* rank = std::getenv(name)) return std::atoi(rank);
  }
  return 0;
}

}  // namespace dflop
