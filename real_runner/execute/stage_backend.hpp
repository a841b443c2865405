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
  double time_scale = 1;     ///< real seconds per second of the plan
  bool whole_pairs = false;  ///< MakeStepProgram
};

/// What is known of a backend before this machine is asked.
struct StageBackendKind {
  std::string name;
  /// Runs kernels in real time, at costs that a profile of this machine tells; otherwise it plays the plan's own times,
  /// at any scale.
  bool real = true;
  /// Its ranks are threads of one process that share GPUs: no launcher may start them, and a profile measures a rank's
  /// part of a GPU.
  bool shares_devices = false;
  std::function<StageBackend(int ranks, double time_scale)> make;
};

/// All there are: a new backend is one more entry. Some say only when they are made what this build or machine lacks.
const std::vector<StageBackendKind>& StageBackends();
std::vector<std::string> StageBackendNames();
/// InputError for an unknown name.
const StageBackendKind& StageBackendOf(const std::string& name);

/// `ranks`: that will run on this machine. `time_scale`: for `spin` alone, others run in real time. InputError for an
/// unknown name, a scale where none is possible, and backends that this machine or this build does not have.
StageBackend FindStageBackend(const std::string& name, int ranks, double time_scale);

}  // namespace dflop
