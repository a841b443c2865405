// The driver's functions are looked up when they are wanted, as the plug-in opens on machines without them.
#include "real_runner/cuda/partition.hpp"

#include <cuda.h>

#include <string>

#include "real_runner/cuda/partition_size.hpp"

namespace dflop::cuda {
namespace {

constexpr unsigned kSince = 12050;  // green contexts with streams of their own

/// A function of the driver, which this library does not link: it opens on machines without one.
template <typename Function>
Function DriverFunction(const char* name) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  const cudaError_t status = cudaGetDriverEntryPointByVersion(name, &function, kSince, cudaEnableDefault, &found);
  if (status != cudaSuccess || found != cudaDriverEntryPointSuccess || function == nullptr) {
    static_cast<void>(cudaGetLastError());
    throw Unsupported(std::string("the driver has no ") + name +
                      ": dividing a GPU into parts needs one for CUDA 12.5 or later");
  }
  return reinterpret_cast<Function>(function);
}

#define DFLOP_DRIVER_FUNCTION(name) DriverFunction<decltype(&name)>(#name)

void Check(CUresult status, const char* call) {
  if (status == CUDA_SUCCESS) return;
  const char* text = nullptr;
  DFLOP_DRIVER_FUNCTION(cuGetErrorString)(status, &text);
  throw Unsupported(std::string(call) + ": " + (text == nullptr ? "unknown error" : text));
}

class GreenPartition final : public Partition {
 public:
  GreenPartition(CUdevice device, CUdevResource part) : multiprocessors_(static_cast<int>(part.sm.smCount)) {
    CUdevResourceDesc description = nullptr;
    Check(DFLOP_DRIVER_FUNCTION(cuDevResourceGenerateDesc)(&description, &part, 1), "cuDevResourceGenerateDesc");
    Check(DFLOP_DRIVER_FUNCTION(cuGreenCtxCreate)(&context_, description, device, CU_GREEN_CTX_DEFAULT_STREAM),
          "cuGreenCtxCreate");
  }
  ~GreenPartition() override { DFLOP_DRIVER_FUNCTION(cuGreenCtxDestroy)(context_); }
  GreenPartition(const GreenPartition&) = delete;
  GreenPartition& operator=(const GreenPartition&) = delete;

  int multiprocessors() const override { return multiprocessors_; }
  Stream NewStream() override {
    CUstream stream = nullptr;
    Check(DFLOP_DRIVER_FUNCTION(cuGreenCtxStreamCreate)(&stream, context_, CU_STREAM_NON_BLOCKING, 0),
          "cuGreenCtxStreamCreate");
    return Stream(stream);
  }

 private:
  int multiprocessors_;
  CUgreenCtx context_ = nullptr;
};

int Attribute(cudaDeviceAttr attribute, int device) {
  int value = 0;
  DFLOP_CUDA_CHECK(cudaDeviceGetAttribute(&value, attribute, device));
  return value;
}

std::string TooManyParts(int parts, int multiprocessors, PartRules rules) {
  return std::to_string(parts) + " parts of a GPU with " + std::to_string(multiprocessors) +
         " multiprocessors: at most " + std::to_string(multiprocessors / rules.least) + " parts are possible, of " +
         std::to_string(rules.least) + " or more each; use fewer ranks, or a machine with a GPU for each";
}

}  // namespace

std::vector<std::unique_ptr<Partition>> SplitDevice(int parts) {
  int ordinal = 0;
  DFLOP_CUDA_CHECK(cudaGetDevice(&ordinal));
  DFLOP_CUDA_CHECK(cudaFree(nullptr));  // the primary context is there
  CUdevice device = 0;
  Check(DFLOP_DRIVER_FUNCTION(cuDeviceGet)(&device, ordinal), "cuDeviceGet");
  const int multiprocessors = Attribute(cudaDevAttrMultiProcessorCount, ordinal);
  const PartRules rules = RulesOf(Attribute(cudaDevAttrComputeCapabilityMajor, ordinal));
  const int size = PartSize(multiprocessors, parts, rules);
  if (size == 0) throw Unsupported(TooManyParts(parts, multiprocessors, rules));

  CUdevResource whole{};
  Check(DFLOP_DRIVER_FUNCTION(cuDeviceGetDevResource)(device, &whole, CU_DEV_RESOURCE_TYPE_SM),
        "cuDeviceGetDevResource");
  std::vector<CUdevResource> split(static_cast<std::size_t>(parts));
  auto count = static_cast<unsigned>(parts);
  Check(DFLOP_DRIVER_FUNCTION(cuDevSmResourceSplitByCount)(split.data(), &count, &whole, nullptr, 0,
                                                           static_cast<unsigned>(size)),
        "cuDevSmResourceSplitByCount");
  if (count < static_cast<unsigned>(parts)) {
    throw Unsupported("CUDA gives " + std::to_string(count) + " parts of " + std::to_string(size) +
                      " multiprocessors, not " + std::to_string(parts) + "; use fewer ranks");
  }
  std::vector<std::unique_ptr<Partition>> made;
  for (const CUdevResource& part : split) made.push_back(std::make_unique<GreenPartition>(device, part));
  return made;
}

}  // namespace dflop::cuda
