// Noise of devices: by how much the time of what they compute differs from step to step and from operation to
// operation, drawn so that every policy meets the same.
//
// A step has one factor for all its devices, and every operation of a GPU (the forward and the backward of a stage on a
// microbatch, its optimizer step) has one of its own; both are log-normal with mean 1. The kernels of an operation
// share its factor, as clocks and other users of a machine make them: kernels that vary apart from each other average
// out over the hundreds of an operation. Beside that an operation may, rarely, be held up (Petrini, Kerbyson, Pakin,
// "The case of the missing supercomputer performance", SC 2003, 4: noise of the operating system): this adds to the
// mean.
//
// Draws are pure functions of the run's seed, the step and the GPU, taken in the order of a GPU's microbatches: a
// policy that has more of them meets the same ones first.
#pragma once

#include <cstdint>

#include "base/random.hpp"

namespace dflop {

/// Coefficients of variation as measured (root mean square, as variances add): per kernel that of 8,084 operators of at
/// least 0.2 ms on A100 and H100, each over its launches (microsoft/vidur, data/profiling/compute: 0.020, median
/// 0.008); per step that of 528 collectives of at least 16 MiB on B200, GB200, H100 and H200, each over runs of its own
/// (ai-dynamo/aiconfigurator, nccl: 0.010, median 0.003), as nobody publishes the times of alike steps.
struct Noise {
  double per_kernel = 0.02;
  double per_step = 0.01;
  double tail_share = 0;  ///< of the operations of a GPU
  double tail_factor = 1;
};

/// Of all that is computed in a step.
double StepNoise(const Noise& noise, std::uint64_t seed, int step);

/// Of what one GPU computes in a step.
class DeviceNoise {
 public:
  DeviceNoise(const Noise& noise, std::uint64_t seed, int step, int gpu);

  /// Of the GPU's next operation.
  double Next();

 private:
  const Noise& noise_;
  RandomStream random_;
};

}  // namespace dflop
