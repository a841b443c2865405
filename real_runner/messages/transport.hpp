// How ranks reach each other: threads of one process, or processes under MPI. Sending never waits for the receiver.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "real_runner/messages/mailbox.hpp"

namespace dflop {

class Transport {
 public:
  virtual ~Transport() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// To another rank, or to this one.
  virtual void Send(int to, Parcel parcel) = 0;
  /// Blocks until it is here; throws what the watch throws.
  Parcel Wait(std::int64_t name);

  /// Returns on every rank after all have called it, with the instant that rank 0 names then: a common time to start.
  double Meet();

  /// Asked while this rank waits; throws when a peer is lost.
  void SetWatch(std::function<void()> watch) { watch_ = std::move(watch); }
  /// Sees what arrives before the mailbox does, on whatever thread brings it; true: it has taken the parcel.
  /// nullptr: nobody does.
  using Intercept = std::function<bool(Parcel& parcel)>;
  void SetIntercept(Intercept intercept);

 protected:
  /// A parcel is here.
  void Deliver(Parcel parcel);
  /// Whether this rank waits for something; Hurry is called when it begins to.
  bool waits() const { return waits_.load(); }
  virtual void Hurry() {}

 private:
  Mailbox mailbox_;
  std::atomic<bool> waits_{false};
  std::function<void()> watch_ = [] {};
  std::mutex intercepting_;
  std::shared_ptr<Intercept> intercept_;
};

/// One for each of `size` threads of this process; they refer to each other, so all must live until all are done.
std::vector<std::unique_ptr<Transport>> MakeThreadTransports(int size);

/// Whether this process was started by an MPI launcher (mpirun, srun), and whether this build knows MPI.
bool UnderMpiLauncher();
/// Of this process among those of its launcher, before it has joined them; 0 without one.
int LauncherRank();
bool HasMpi();

/// Joins the ranks that the launcher has started, all on one machine. InputError where they are on several, or where
/// the program was built without MPI. One per process. MPI is finalised when the object goes; a process that ends
/// before makes the launcher end the job.
class MpiJob {
 public:
  virtual ~MpiJob() = default;
  virtual Transport& transport() = 0;
  /// Process number of rank 0: a name for the job that no other job of this machine has.
  virtual int leader() const = 0;
};
std::unique_ptr<MpiJob> JoinMpi();

}  // namespace dflop
