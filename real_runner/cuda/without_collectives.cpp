// In a build without NCCL every collective is listed as unsupported.
#include "real_runner/cuda/collectives.hpp"

namespace dflop::cuda {

std::unique_ptr<CudaKernel> PrepareCollective(const CostRow& /*row*/) {
  throw Unsupported("the cuda backend was built without NCCL");
}

void PrepareSumOverGpus(const std::vector<int>&) { throw Unsupported("sums between GPUs: built without NCCL"); }

void SumOverGpus(const std::vector<int>&, std::size_t, float*, std::int64_t, cudaStream_t) {
  throw Unsupported("sums between GPUs: built without NCCL");
}

std::string CollectivesVersion() { return ""; }

}  // namespace dflop::cuda
