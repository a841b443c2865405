// The stage workers of backend "cuda" and the function by which the program that opens this plug-in gets them. Nothing
// of this file has run on a GPU yet.
#include <algorithm>
#include <cstdio>
#include <mutex>

#include "real_runner/cuda/device_info.hpp"
#include "real_runner/cuda/gradient_sum.hpp"
#include "real_runner/cuda/rank_device.hpp"
#include "real_runner/execute/stage_worker_factory.hpp"
#include "real_runner/training/refusal.hpp"
#include "real_runner/training/worker.hpp"

namespace dflop::cuda {
namespace {

/// Trained: master weight, gradient and two moments in fp32, and the weight in bf16.
constexpr training::ParameterBytes kBytes = {18, 2};
constexpr double kGiga = 1e9;
constexpr int kLoadedValues = 8;  // of 16 bytes: rows and heads are whole loads

class Worker final : public training::Worker<TrainingKernels> {
 public:
  Worker(std::shared_ptr<RankDevice> device, const std::vector<int>& gpus, const Plan& plan, int rank)
      : training::Worker<TrainingKernels>(device->Kernels(), plan, rank),
        device_(std::move(device)),
        gpus_(gpus),
        rank_(rank) {}

  void Prepare(const StepProgram& program, std::size_t step) override {
    training::Worker<TrainingKernels>::Prepare(program, step);
    PrepareSums(program, rank_, gpus_);
  }

  bool ReducesItself() const override { return true; }
  CollectiveSpan Reduce(const StepProgram& program, std::size_t index, double ready_s, Transport& transport) override {
    const Collective::What what = program.collectives[index].what;
    const auto values = [this, what](int stage) { return CollectiveValues(what, stage); };
    return SumOnDevices({program, index, transport, gpus_, values, device_->stream()}, ready_s);
  }

 private:
  std::shared_ptr<RankDevice> device_;
  const std::vector<int>& gpus_;
  int rank_;
};

std::string WhyShape(const std::string& name, const TransformerShape& shape) {
  const int query = shape.head_dim() * shape.heads;
  if (shape.hidden % kLoadedValues != 0 || shape.ffn_hidden % kLoadedValues != 0 || query != shape.hidden) {
    return name + ": the cuda backend wants widths that are multiples of 8 and heads that fill them";
  }
  if (shape.head_dim() % 2 != 0) return name + ": the cuda backend wants heads of an even width";
  if (shape.hidden > kMaxNormWidth) {
    return name + ": the cuda backend has norms of at most " + std::to_string(kMaxNormWidth) + " values";
  }
  return "";
}

std::string WhyModel(const ModelSpec& model) {
  for (int module = 0; module < model.module_count(); ++module) {
    if (const std::string why = WhyShape(model.module_name(module), model.shape(module)); !why.empty()) return why;
  }
  return "";
}

int GpuCount() {
  int count = 0;
  DFLOP_CUDA_CHECK(cudaGetDeviceCount(&count));
  return count;
}

/// So that copies between GPUs take the link between them, where there is one, and not the way through the host.
void ConnectGpus(const std::vector<int>& gpus) {
  for (const int from : gpus) {
    DFLOP_CUDA_CHECK(cudaSetDevice(from));
    for (const int to : gpus) {
      int possible = 0;
      if (from != to) DFLOP_CUDA_CHECK(cudaDeviceCanAccessPeer(&possible, from, to));
      if (possible == 0) continue;
      const cudaError_t status = cudaDeviceEnablePeerAccess(to, 0);
      if (status == cudaErrorPeerAccessAlreadyEnabled) {
        static_cast<void>(cudaGetLastError());
      } else {
        DFLOP_CUDA_CHECK(status);
      }
    }
  }
  DFLOP_CUDA_CHECK(cudaSetDevice(0));
}

HostTensor ToHost(const training::ParameterShape& shape, std::vector<float> values) {
  return {shape.name, {shape.rows, shape.columns}, std::move(values)};
}

template <typename T>
std::vector<T> FromDevice(const T* values, std::int64_t count) {
  std::vector<T> copy(static_cast<std::size_t>(count));
  DFLOP_CUDA_CHECK(cudaMemcpy(copy.data(), values, copy.size() * sizeof(T), cudaMemcpyDeviceToHost));
  return copy;
}

class Factory final : public StageWorkerFactory {
 public:
  explicit Factory(int ranks) : ranks_(static_cast<std::size_t>(ranks)) {
    const int gpus = GpuCount();
    for (int rank = 0; rank < ranks; ++rank) gpus_.push_back(gpus == 1 ? 0 : rank);
    if (gpus > 1 && ranks > gpus) {
      throw Unsupported(std::to_string(ranks) + " ranks on " + std::to_string(gpus) +
                        " GPUs: there is a GPU for each rank, or one GPU of which each rank has a part "
                        "(CUDA_VISIBLE_DEVICES=0)");
    }
    if (ranks > gpus) parts_ = SplitDevice(ranks);
    if (gpus > 1) ConnectGpus(gpus_);
  }

  std::string WhyNot(const Plan& plan) override {
    const std::string why = training::WhyCannot(plan, "cuda");
    if (!why.empty()) return why;
    const std::string why_model = WhyModel(plan.model);
    return why_model.empty() ? WhyMemory(plan) : why_model;
  }

  std::unique_ptr<StageWorker> Make(const Plan& plan, int rank) override {
    DFLOP_CUDA_CHECK(cudaSetDevice(gpus_[static_cast<std::size_t>(rank)]));
    return std::make_unique<Worker>(DeviceOf(rank), gpus_, plan, rank);
  }

  std::vector<HostTensor> Weights(StageWorker& worker, int stage) override {
    std::vector<HostTensor> tensors;
    for (const auto& parameter : Own(worker).parameters(stage).all()) {
      std::vector<float> values;
      for (const Bf16 value : FromDevice(parameter.weight, parameter.shape.values())) {
        values.push_back(__bfloat162float(value));
      }
      tensors.push_back(ToHost(parameter.shape, std::move(values)));
    }
    return tensors;
  }
  std::vector<HostTensor> Gradients(StageWorker& worker, int stage) override {
    std::vector<HostTensor> tensors;
    for (const auto& parameter : Own(worker).parameters(stage).all()) {
      if (!parameter.shape.trainable) continue;
      tensors.push_back(ToHost(parameter.shape, FromDevice(parameter.gradient, parameter.shape.values())));
    }
    return tensors;
  }
  double Loss(StageWorker& worker) override { return Own(worker).loss(); }

 private:
  static Worker& Own(StageWorker& worker) { return dynamic_cast<Worker&>(worker); }

  /// Each part once, by the rank that it belongs to.
  std::shared_ptr<RankDevice> DeviceOf(int rank) {
    const std::lock_guard lock(making_);
    const auto at = static_cast<std::size_t>(rank);
    if (ranks_[at] == nullptr) {
      ranks_[at] = std::make_shared<RankDevice>(gpus_[at], parts_.empty() ? nullptr : std::move(parts_[at]));
    }
    return ranks_[at];
  }

  std::string WhyMemory(const Plan& plan) const {
    const std::vector<double> of_rank = training::BytesOfParameters(plan, kBytes);
    std::vector<double> of_gpu(static_cast<std::size_t>(GpuCount()));
    for (std::size_t rank = 0; rank < of_rank.size(); ++rank)
      of_gpu[static_cast<std::size_t>(gpus_[rank])] += of_rank[rank];
    const double most = *std::max_element(of_gpu.begin(), of_gpu.end());
    std::size_t free = 0, total = 0;
    DFLOP_CUDA_CHECK(cudaMemGetInfo(&free, &total));
    if (most <= static_cast<double>(free)) return "";
    return "weights, gradients and optimizer state need " + std::to_string(most / kGiga) +
           " GB of one GPU, which has " + std::to_string(static_cast<double>(free) / kGiga) +
           " GB free; choose a smaller model or more GPUs";
  }

  std::vector<int> gpus_;  ///< [rank]
  std::vector<std::unique_ptr<Partition>> parts_;
  std::mutex making_;
  std::vector<std::shared_ptr<RankDevice>> ranks_;
};

}  // namespace
}  // namespace dflop::cuda

extern "C" dflop::StageWorkerFactory* dflop_make_cuda_stage_workers(int ranks, char* why, int size) {
  const auto refuse = [&](const std::string& reason) -> dflop::StageWorkerFactory* {
    std::snprintf(why, static_cast<std::size_t>(size), "%s", reason.c_str());
    return nullptr;
  };
  try {
    dflop::cuda::AllowConcurrentStreams();
    if (const std::string reason = dflop::cuda::WhyNoDevice(); !reason.empty()) return refuse(reason);
    return new dflop::cuda::Factory(ranks);
  } catch (const std::exception& error) {
    return refuse(error.what());
  }
}
