// What every rank has done and is doing, in memory that all ranks share: it outlives a rank that is killed, so that the
// others can say where, and keep what was measured.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sim/plan/device_order.hpp"

namespace dflop {

/// One operation, or one rank's part of one.
struct LedgerEvent {
  OpKind kind = OpKind::kForward;
  std::int32_t stage = -1;
  std::int32_t to_stage = -1;
  std::int32_t microbatch = -1;
  bool backward = false;  ///< transfers: which way
  bool travels = true;    ///< transfers: false between stages of one rank, and where there was nothing to send
  double start_s = 0;
  double end_s = 0;
  std::int32_t buckets_after = 0;  ///< reductions: how many buckets of the same one come after it
};

/// Where a step's time went on one rank, seconds.
struct RankSeconds {
  double whole = 0;     ///< from the common start to the rank's last operation
  double kernels = 0;   ///< computing
  double waiting = 0;   ///< for messages of other ranks
  double messages = 0;  ///< packing, sending and unpacking them
  double lost = 0;      ///< to other processes: in kernels, and between a message's arrival and waking up for it
  /// What is left: the executor's own.
  double executor() const { return whole - kernels - waiting - messages; }
};

/// What a rank is doing, for whoever finds it dead.
struct Activity {
  enum class Doing : std::int32_t { kPreparing, kRunning, kWaiting, kDone, kFailed };
  Doing doing = Doing::kPreparing;
  OpKind kind = OpKind::kForward;
  std::int32_t stage = -1;
  std::int32_t microbatch = -1;
};

/// "forward of microbatch 3 on stage 2"; "waiting for a message that forward of … wants".
std::string Describe(const Activity& activity);

/// One rank's page of the ledger. Written by that rank alone (by any of its threads), read by all.
class LedgerPage {
 public:
  void Begin(int process);
  void StartStep(double start_s);
  void Start(const Activity& activity);
  void Add(const LedgerEvent& event);
  void Finish(const RankSeconds& seconds);
  void Fail(const std::string& why);
  void Clear();  ///< before the next step

  Activity activity() const;
  double start_s() const { return start_s_.load(); }  ///< of the step
  std::vector<LedgerEvent> events() const;
  RankSeconds seconds() const { return seconds_; }
  std::string failure() const;
  int process() const { return process_.load(); }
  /// Whether the process that opened this page is still there.
  bool alive() const;

  static std::size_t BytesFor(std::size_t events);

 private:
  friend class Ledger;
  static constexpr std::size_t kFailureBytes = 1000;
  LedgerEvent* first() { return reinterpret_cast<LedgerEvent*>(this + 1); }
  const LedgerEvent* first() const { return reinterpret_cast<const LedgerEvent*>(this + 1); }

  std::atomic<std::int32_t> process_{0};
  std::atomic<std::uint64_t> activity_{0};
  std::atomic<std::uint64_t> count_{0};
  std::atomic<double> start_s_{0};
  std::uint64_t capacity_ = 0;
  RankSeconds seconds_{};
  std::atomic<bool> failed_{false};
  std::atomic<bool> reported_{false};
  char failure_[kFailureBytes] = {};
};

/// The pages of all ranks, zero at first. Nothing is left behind when the processes are gone.
class Ledger {
 public:
  /// Shared by the threads of this process. `events`: the most that a rank writes in one step.
  Ledger(int ranks, std::size_t events);
  /// Shared by the processes of a job that `name` stands for: rank 0 makes it (`creates`), then all others join.
  Ledger(int ranks, std::size_t events, const std::string& name, bool creates);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  /// Once all ranks have joined: from here on the memory lasts as long as they do.
  void ForgetName();

  int ranks() const { return ranks_; }
  LedgerPage& page(int rank);

  /// "" or which rank has failed or is gone, and what it was doing: "rank 1 (process 4711) is gone; it ran forward of
  /// microbatch 3 on stage 2".
  std::string WhyBroken();

  /// True for the first who asks: whoever reports a broken step.
  bool ClaimReport();

 private:
  void Map(int file);
  void Open(std::size_t events);
  int ranks_;
  std::size_t page_bytes_;
  std::string name_;
  void* memory_ = nullptr;
};

}  // namespace dflop
