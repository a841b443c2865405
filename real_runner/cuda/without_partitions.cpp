// A toolkit before CUDA 12.5 does not know how to divide a GPU into parts with streams of their own.
#include "real_runner/cuda/partition.hpp"

namespace dflop::cuda {

std::vector<std::unique_ptr<Partition>> SplitDevice(int) {
  throw Unsupported("several ranks on one GPU: built with a CUDA toolkit before 12.5, which cannot divide a GPU");
}

}  // namespace dflop::cuda
