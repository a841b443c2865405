// Backend `spin`: every operation lasts as long as the plan predicts, and so does every message. Nothing is computed
// and no tensor travels: what a run shows is order, dependencies and messages.
#pragma once

#include <memory>

#include "real_runner/execute/executor.hpp"
#include "real_runner/execute/stage_worker.hpp"

namespace dflop {

struct SpinOptions {
  double time_scale = 1;  ///< real seconds per predicted second
  /// A core for every rank: then the last stretch of an operation is spent spinning, otherwise all of it sleeping.
  bool precise = false;
};

std::unique_ptr<StageWorker> MakeSpinWorker(const Plan& plan, SpinOptions options);

/// What the plan predicts for the step's messages and collectives.
LinkDelays PredictedLinks(const Plan& plan, std::size_t step, const StepProgram& program, SpinOptions options);

}  // namespace dflop
