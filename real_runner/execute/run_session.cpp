// A thread per rank, each of which writes down its own failure; what others learn of it only is not written twice.
#include "real_runner/execute/run_session.hpp"

#include <algorithm>
#include <exception>
#include <thread>

#include "real_runner/execute/rank_session.hpp"

namespace dflop {
namespace {

/// What to write on the page of a rank whose own work failed; "" when it only learned that another's had.
std::string OwnFailure(const std::exception& error, Ledger& ledger, LedgerPage& page) {
  const bool of_another = ledger.WhyBroken() == error.what();
  return of_another ? "" : std::string(error.what()) + "; " + Describe(page.activity());
}

}  // namespace

int RanksOf(const Plan& plan) { return static_cast<int>(plan.layout.groups.size()); }

int MostRanks(const std::vector<Plan>& plans) {
  int most = 0;
  for (const Plan& plan : plans) most = std::max(most, RanksOf(plan));
  return most;
}

SessionResult RunAsThreads(const std::vector<Plan>& plans, const StageBackend& backend, const SessionOptions& options) {
  const int ranks = MostRanks(plans);
  Ledger ledger(ranks, MostEvents(plans));
  const auto transports = MakeThreadTransports(ranks);
  std::vector<std::unique_ptr<RankSession>> sessions;
  sessions.reserve(transports.size());
  for (const auto& transport : transports) {
    sessions.push_back(std::make_unique<RankSession>(plans, backend, options, *transport, ledger));
  }
  std::vector<std::thread> threads;
  threads.reserve(sessions.size());
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&session = *sessions[static_cast<std::size_t>(rank)], &ledger, &page = ledger.page(rank)] {
      try {
        session.Run();
      } catch (const std::exception& error) {
        const std::string own = OwnFailure(error, ledger, page);
        if (!own.empty()) page.Fail(own);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string failure = ledger.WhyBroken();
  if (!failure.empty()) sessions.front()->AddBroken();
  return {sessions.front()->executions(), failure};
}

}  // namespace dflop
