// A rank of an MPI job. Launchers end a job of which a process has died by SIGTERM to the others; those that live use
// the moment to say which rank died of what work, and to write down what had been measured.
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <thread>

#include "base/error.hpp"
#include "real_runner/execute/rank_session.hpp"

namespace dflop {
namespace {

constexpr int kFailed = 1;
constexpr std::chrono::seconds kReporting{5};

sigset_t EndingSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

/// Blocks the signals in this thread and all that it starts, and handles them in one of its own.
class EndingWatch {
 public:
  explicit EndingWatch(std::function<void(int)> on_signal) {
    const sigset_t signals = EndingSignals();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::thread([on_signal = std::move(on_signal)] {
      const sigset_t waited = EndingSignals();
      int signal = 0;
      if (sigwait(&waited, &signal) == 0) on_signal(signal);
    }).detach();
  }
};

class MpiRank {
 public:
  MpiRank(const std::vector<Plan>& plans, const StageBackend& backend, const SessionOptions& options,
          std::function<void(const SessionResult&)> report)
      : report_(std::move(report)),
        watch_([this](int signal) { End("was ended by signal " + std::to_string(signal)); }),
        job_(JoinMpi()),
        ledger_(MakeLedger(plans)),
        session_(plans, backend, options, job_->transport(), *ledger_) {}

  SessionResult Run() {
    ready_ = true;
    try {
      session_.Run();
    } catch (const std::exception& error) {
      LedgerPage& page = ledger_->page(job_->transport().rank());
      if (ledger_->WhyBroken().empty()) page.Fail(std::string(error.what()) + "; " + Describe(page.activity()));
      End(error.what());
    }
    finished_ = true;
    job_.reset();  // the last of MPI
    return {session_.executions(), ""};
  }

 private:
  std::unique_ptr<Ledger> MakeLedger(const std::vector<Plan>& plans) {
    Transport& transport = job_->transport();
    if (transport.size() < MostRanks(plans)) {
      throw InputError("the plan wants " + std::to_string(MostRanks(plans)) + " ranks, the launcher has started " +
                       std::to_string(transport.size()) + ": mpirun -n " + std::to_string(MostRanks(plans)));
    }
    const std::string name = "/dflop-run-" + std::to_string(job_->leader());
    const bool first = transport.rank() == 0;
    std::unique_ptr<Ledger> ledger;
    if (first) ledger = std::make_unique<Ledger>(transport.size(), MostEvents(plans), name, true);
    transport.Meet();
    if (!first) ledger = std::make_unique<Ledger>(transport.size(), MostEvents(plans), name, false);
    transport.Meet();
    ledger->ForgetName();
    return ledger;
  }

  /// The job is broken: one rank reports, the others wait for it, and MPI is not finalised, which would wait for the
  /// lost. Does not return.
  [[noreturn]] void End(const std::string& why) {
    if (finished_ || !ready_) std::_Exit(kFailed);
    std::string failure = ledger_->WhyBroken();
    if (failure.empty()) failure = "rank " + std::to_string(job_->transport().rank()) + " " + why;
    if (ledger_->ClaimReport()) {
      session_.AddBroken();
      report_({session_.executions(), failure});
    } else {
      std::this_thread::sleep_for(kReporting);
    }
    std::_Exit(kFailed);
  }

  std::function<void(const SessionResult&)> report_;
  std::atomic<bool> ready_{false};
  std::atomic<bool> finished_{false};
  EndingWatch watch_;
  std::unique_ptr<MpiJob> job_;
  std::unique_ptr<Ledger> ledger_;
  RankSession session_;
};

}  // namespace

SessionResult RunUnderMpi(const std::vector<Plan>& plans, const StageBackend& backend, const SessionOptions& options,
                          const std::function<void(const SessionResult&)>& report) {
  // Never destroyed: its watch may look at it until the process ends.
  return (new MpiRank(plans, backend, options, report))->Run();
}

}  // namespace dflop
