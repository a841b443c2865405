// Measures a plan's kernels on a backend within a budget, and keeps what it has measured on disk all along.
#pragma once

#include <functional>
#include <string>

#include "real_runner/kernels/backend.hpp"
#include "real_runner/profile/profile_plan.hpp"

namespace dflop {

struct ProfileOptions {
  double budget_s = 300;
  std::string out;
  Json method = Json::EmptyObject();  ///< what the caller knows about the run: model, command, date
  bool quiet = false;
  std::function<double()> now;           ///< seconds of a steady clock
  std::function<bool()> stop = nullptr;  ///< asked between kernels; true ends the profile early
};

struct ProfileOutcome {
  CostTrace trace;          ///< as written to `out`
  std::size_t planned = 0;  ///< rows
  std::size_t skipped = 0;
  std::size_t disturbed = 0;  ///< launches rejected because the thread was preempted
  bool stopped = false;       ///< by `stop`
};

/// Per row: warm-up, then launches until their spread is small, at least kLeastLaunches and at most kMostLaunches of
/// them undisturbed; disturbed ones are rejected and repeated, up to as many again as are wanted. The median and the
/// distance from the 10th to the 90th percentile are kept. Kernels that the backend refuses are listed in
/// method.skipped. The file is replaced (as a whole) after every second of measuring and at the end. The first row is
/// measured even where the budget is too small for it. RunError when not a single row could be measured; then nothing
/// is written.
ProfileOutcome Profile(Backend& backend, const ProfilePlan& plan, const ProfileOptions& options);

inline constexpr int kWarmUpLaunches = 2;
inline constexpr int kLeastLaunches = 5;
inline constexpr int kMostLaunches = 50;

}  // namespace dflop
