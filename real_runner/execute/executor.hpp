// Runs one rank's program of a step on a backend: receives, computes, sends, and notes when.
#pragma once

#include <vector>

#include "real_runner/execute/ledger.hpp"
#include "real_runner/execute/stage_worker.hpp"
#include "real_runner/messages/transport.hpp"
#include "real_runner/program/step_program.hpp"

namespace dflop {

/// What simulated links add to a step; all zero where links are real.
struct LinkDelays {
  std::vector<double> messages;     ///< [message]
  std::vector<double> collectives;  ///< [collective]
  /// A bucket of a reduction that goes beside the last backward of its stages.
  struct Bucket {
    double share = 0;  ///< of the backward that makes its gradients
    double seconds = 0;
  };
  /// [collective]: what goes before it; none where a reduction is not overlapped.
  std::vector<std::vector<Bucket>> beside_backward;
  /// Whether a thread that waits for an instant may spin for the last 60 µs of it.
  bool precise = false;
};
LinkDelays RealLinks(const StepProgram& program);

/// One step, from a start that all ranks agree on to this rank's last operation. All of them call it together. Events
/// and seconds go to the rank's page. Program and delays outlive the transport's last parcel. A rank that the plan does
/// not want only meets the others. Throws what worker and transport throw.
void ExecuteStep(const StepProgram& program, const LinkDelays& delays, StageWorker& worker, Transport& transport,
                 LedgerPage& page);

}  // namespace dflop
