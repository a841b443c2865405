// Plans executed one after the other by ranks that stay: plans, steps and repeats take turns, so that whatever drifts
// on the machine drifts for all of them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "real_runner/execute/measured_step.hpp"
#include "real_runner/execute/stage_backend.hpp"

namespace dflop {

struct SessionOptions {
  int repeats = 1;
  int warm_up = 0;  ///< repeats before those, not kept
  /// A step in which some rank lost more of its time than this to other processes, or spent it outside of kernels and
  /// messages, is rejected and run again …
  double most_lost = 0.02;
  int attempts = 1;  ///< … this often at most; the last is kept whatever it lost
};

/// One execution of a plan's step.
struct Execution {
  std::size_t plan = 0;
  std::size_t step = 0;
  int repeat = 0;
  int rejected = 0;  ///< attempts before this one
  MeasuredStep measured;
};

struct SessionResult {
  std::vector<Execution> executions;
  std::string failure;  ///< "" unless a rank failed or was lost; then the last execution holds what had happened
};

/// Ranks as threads of this process.
SessionResult RunAsThreads(const std::vector<Plan>& plans, const StageBackend& backend, const SessionOptions& options);

/// Ranks as the processes of an MPI job, of which this is one. Rank 0 gets the result, the others an empty one. When a
/// rank is lost or fails, one of those that are left calls `report` with what it has, and the process ends with 1.
SessionResult RunUnderMpi(const std::vector<Plan>& plans, const StageBackend& backend, const SessionOptions& options,
                          const std::function<void(const SessionResult&)>& report);

/// Ranks that the plan wants: its device groups.
int RanksOf(const Plan& plan);
int MostRanks(const std::vector<Plan>& plans);

}  // namespace dflop
