// The backends that can execute a plan, by name.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "real_runner/execute/executor.hpp"

namespace dflop {

struct StageBackend {
  std::string name;
  /// "" when it can execute the plan, otherwise what of it it cannot do, and what to change.
  std::function<std::string(const Plan& plan)> why_not;
  std::function<std::unique_ptr<StageWorker>(const Plan& plan, int rank)> make_worker;
  std::function<LinkDelays(const Plan& plan, std::size_t step, const StepProgram& program)> links;
  double time_scale = 1;  ///< real seconds per second of the plan
};

std::vector<std::string> StageBackendNames();
/// Whether its ranks share what only threads of one process can share, so that no launcher may start them.
bool RanksAreThreads(const std::string& name);

/// `ranks`: that will run on this machine. `time_scale`: for `spin` alone, others run in real time. InputError for an
/// unknown name, a scale where none is possible, and backends that this machine or this build does not have.
StageBackend FindStageBackend(const std::string& name, int ranks, double time_scale);

}  // namespace dflop
