// Stage workers of backend "cuda" against the float64 model: part of `cuda_tests`.
#pragma once

namespace dflop {

struct TestTally {
  int passed = 0;
  int failed = 0;
};

/// Models from a text-only layer upwards, then layouts of 2 and 4 ranks. With one GPU, ranks are parts of it.
TestTally TestCudaWorkers(int gpus);

}  // namespace dflop
