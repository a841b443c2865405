// Data loading beside the steps: what of it the GPUs wait for.
//
// The loader makes global batches one after the other and is ahead of the steps by at most p of them. Batch k takes
// l[k] and step k computes c[k] seconds:
//   loaded[k] = max(loaded[k − 1], start[k − p]) + l[k]      a batch is begun when its place is free; p = 0: end[k − 1]
//   start[k]  = max(end[k − 1], loaded[k]),  end[k] = start[k] + c[k]
// and step k waits start[k] − end[k − 1]. A step's own time has no loading in it: the step is simulated as if its batch
// were there, and what stands here is added to it.
#pragma once

#include <span>
#include <vector>

#include "experiments/spec/data_loading.hpp"

namespace dflop {

/// Seconds that one core takes to make the samples ready. A sample that says its tiles and not what they were made
/// of, which is refused before, takes none.
double CoreSeconds(const DataLoading& loading, std::span<const Sample> samples);

/// Waits of a run's steps from its beginning, when nothing is loaded yet; l and c in seconds, of equal length.
std::vector<double> LoadingWaits(std::span<const double> load_s, std::span<const double> compute_s, int prefetch_steps);

/// Mean wait per step of a run that goes on with the same steps over and over: the fill of the loader at the very
/// beginning, which a training has once, is left out. 0 for no steps.
double MeanLoadingWait(std::span<const double> load_s, std::span<const double> compute_s, int prefetch_steps);

/// The least whole number of cores per GPU with which the mean wait is at most kHiddenWait of the mean step, where
/// `cores_per_gpu` bring `load_s`; 0 when a million would not do, which is so without prefetching.
double CoresThatHide(std::span<const double> load_s, std::span<const double> compute_s, const DataLoading& loading);

}  // namespace dflop
