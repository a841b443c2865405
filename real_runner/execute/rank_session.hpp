// One rank of a session, whatever carries its messages.
#pragma once

#include <vector>

#include "real_runner/execute/run_session.hpp"

namespace dflop {

/// The most events that a rank writes in a step of these plans.
std::size_t MostEvents(const std::vector<Plan>& plans);

class RankSession {
 public:
  RankSession(const std::vector<Plan>& plans, const StageBackend& backend, const SessionOptions& options,
              Transport& transport, Ledger& ledger);

  /// Every execution, in turn; rank 0 keeps the measurements. Throws what worker and transport throw.
  void Run();

  /// Rank 0: what has been measured. After a failure, on any rank: with the broken step last.
  const std::vector<Execution>& executions() const { return executions_; }
  void AddBroken();

 private:
  void Repeat(int repeat, bool keep);
  bool Attempt(const Execution& execution, bool keep);
  bool Agree(bool rank_0_says);

  const std::vector<Plan>& plans_;
  const StageBackend& backend_;
  const SessionOptions& options_;
  Transport& transport_;
  Ledger& ledger_;
  LedgerPage& page_;
  std::vector<std::unique_ptr<StageWorker>> workers_;  ///< [plan]; none where the plan does not want this rank
  StepProgram program_;                                ///< of the step under way
  LinkDelays links_;
  std::vector<Execution> executions_;
  Execution current_;
};

}  // namespace dflop
