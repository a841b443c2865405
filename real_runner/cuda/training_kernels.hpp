// The kernels of this folder as training asks for them (real_runner/training/kernels.hpp): bf16 values, fp32 gradients,
// fp32 master weights and moments, one stream. Nothing of this file has run on a GPU yet.
//
// Matrix products run the algorithm that cuBLASLt's heuristics name first, unless asked to try them all as the profiler
// does: a training step has other shapes in every microbatch. Attention is one object per pack, fused where cuDNN can.
// Both are made while a step is rehearsed, not when it runs.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "real_runner/cuda/attention.hpp"
#include "real_runner/cuda/device_rows.hpp"
#include "real_runner/cuda/matmul.hpp"
#include "real_runner/execute/stage_worker.hpp"
#include "real_runner/training/kernels.hpp"
#include "real_runner/training/part_step.hpp"

namespace dflop::cuda {

class TrainingKernels;

/// What has been made for the shapes that were asked for; shared by the workers of a rank.
class KernelCache {
 public:
  KernelCache(Device& device, bool tune) : device_(device), tune_(tune) {}

  /// `alignment`: bytes that divide every address.
  Matmul& Product(MatmulShape shape, std::uint32_t alignment);

  struct PackPlan {
    std::unique_ptr<Attention> attention;
    DeviceBuffer positions;  ///< int32, of every token in its sequence
  };
  PackPlan& PlanOf(const training::LayerShape& shape, const training::Pack& pack);

 private:
  void Tune(Matmul& product, const MatmulShape& shape);

  using ProductKey = std::tuple<std::int64_t, std::int64_t, std::int64_t, bool, bool, bool, std::uint32_t>;
  using PackKey = std::tuple<std::int64_t, std::int64_t, std::int64_t, bool, std::vector<std::int64_t>>;
  Device& device_;
  bool tune_;
  std::map<ProductKey, std::unique_ptr<Matmul>> products_;
  std::map<PackKey, PackPlan> packs_;
};

/// One growing piece of device memory, shared by the workers of a rank: one of them has a step at a time.
class SharedMemory {
 public:
  std::byte* Reserve(std::size_t bytes);

 private:
  std::shared_ptr<DeviceBuffer> buffer_ = std::make_shared<DeviceBuffer>();
};

/// Master weights, gradients and moments in fp32, and the weights that kernels read in bf16.
class TrainingStorage {
 public:
  TrainingStorage(TrainingKernels& kernels, std::int64_t trained, std::int64_t frozen, std::int64_t unread);
  Bf16* trained() { return static_cast<Bf16*>(low_.data()); }
  Bf16* frozen() { return static_cast<Bf16*>(frozen_.data()); }
  float* gradients() { return static_cast<float*>(gradients_.data()); }
  float* unread() { return static_cast<float*>(unread_.data()); }
  void SetTrained(std::int64_t offset, const std::vector<float>& values);
  void SetFrozen(std::int64_t offset, const std::vector<float>& values);
  void ClearGradients();
  void StepOptimizer(int step);

 private:
  cudaStream_t stream_;
  std::int64_t trained_values_;
  DeviceBuffer master_, gradients_, first_moments_, second_moments_, low_, frozen_, unread_;
};

class DeviceSum {
 public:
  explicit DeviceSum(cudaStream_t stream) : stream_(stream), sum_(sizeof(double)) {}
  void Clear();
  /// Waits for everything that was asked for.
  double Value() const;
  double* data() { return static_cast<double*>(sum_.data()); }

 private:
  cudaStream_t stream_;
  DeviceBuffer sum_;
};

class TrainingKernels {
 public:
  using Value = Bf16;
  using Id = std::int32_t;
  template <typename T>
  using List = DeviceList<T>;
  using Rows = DeviceRows;
  using Memory = SharedMemory;
  using Storage = TrainingStorage;
  using Sum = DeviceSum;
  using Traffic = training::Traffic<TrainingKernels>;
  /// A tensor's bf16 weights and its fp32 gradients begin with whole 256-byte lines.
  static constexpr std::int64_t kAlignedValues = 128;

  /// `gpu`: the device's number. Device and cache must outlive the kernels.
  TrainingKernels(int gpu, Device& device, KernelCache& cache, SharedMemory memory);

  int gpu() const { return gpu_; }
  cudaStream_t stream() const { return device_->stream(); }
  Memory memory() { return memory_; }
  Sum MakeSum() { return DeviceSum(stream()); }
  /// Around a worker's preparations: makes the device current; waits for all of them.
  void Begin();
  void End();
  bool rehearsing() const { return rehearsing_; }
  void Rehearse(bool rehearse) { rehearsing_ = rehearse; }

  template <typename T>
  void Upload(List<T>& list, const std::vector<T>& values) {
    list.Assign(values, stream());
  }
  void UploadValues(List<Bf16>& list, const std::vector<float>& values) { list.Assign(ToBf16(values), stream()); }
  static std::vector<Bf16> ToBf16(const std::vector<float>& values);
  void Resize(Rows& rows, std::int64_t values) { rows.Resize(values, stream()); }
  void Expect(Rows& rows, std::int64_t values) { rows.Resize(values, stream()); }

  /// Times by the host's steady clock around launches and the wait for them. An operation shorter than kShort begins
  /// when two events on the stream say, so that the host's way to the device and back is not counted: it would be some
  /// 20 µs. Launches that the device waits for between kernels are part of either.
  template <typename Body>
  Span Time(const Body& body) {
    if (rehearsing_) {
      body();
      return {};
    }
    Start();
    body();
    return Stop();
  }

  void Norm(const Bf16* x, const Bf16* gain, Bf16* y, std::int64_t rows, std::int64_t width);
  void NormBackward(const Bf16* dy, const Bf16* x, const Bf16* gain, Bf16* dx, float* dgain, std::int64_t rows,
                    std::int64_t width);
  void Linear(const Bf16* x, const Bf16* w, Bf16* y, std::int64_t rows, std::int64_t outputs, std::int64_t inputs);
  void LinearInput(const Bf16* dy, const Bf16* w, Bf16* dx, std::int64_t rows, std::int64_t outputs,
                   std::int64_t inputs);
  void LinearWeight(const Bf16* dy, const Bf16* x, float* dw, std::int64_t rows, std::int64_t outputs,
                    std::int64_t inputs, bool add);
  std::int64_t StateBytes(const training::LayerShape& shape, const training::Pack& pack) const;
  /// Which implementation of attention a pack gets.
  std::string AttentionName(const training::LayerShape& shape, const training::Pack& pack) const;
  void Rotate(const training::LayerShape& shape, const training::Pack& pack, Bf16* qkv, int direction);
  void AttentionForward(const training::LayerShape& shape, const training::Pack& pack, Bf16* qkv, Bf16* context,
                        void* state);
  void AttentionBackward(const training::LayerShape& shape, const training::Pack& pack, Bf16* qkv, Bf16* context,
                         void* state, Bf16* d_context, Bf16* d_qkv);
  void Activation(const training::LayerShape& shape, const Bf16* up, Bf16* act, std::int64_t rows);
  void ActivationBackward(const training::LayerShape& shape, const Bf16* d_act, const Bf16* up, Bf16* d_up,
                          std::int64_t rows);
  void Silu(const Bf16* u, Bf16* y, std::int64_t values);
  void SiluBackward(const Bf16* dy, const Bf16* u, Bf16* du, std::int64_t values);
  void Add(const Bf16* a, const Bf16* b, Bf16* y, std::int64_t values);
  void Copy(const Bf16* x, Bf16* y, std::int64_t values);
  void RowSums(const Bf16* x, const training::RowRange* ranges, std::int64_t count, Bf16* y, std::int64_t width);
  void AddRepeated(const Bf16* x, Bf16* y, std::int64_t times, std::int64_t values);
  void SumRepeated(const Bf16* dy, float* dx, std::int64_t times, std::int64_t values);
  void Embed(const Bf16* table, const std::int32_t* ids, const std::int64_t* rows, std::int64_t count, Bf16* y,
             std::int64_t width);
  void EmbedBackward(const Bf16* dy, const std::int32_t* ids, const std::int64_t* rows, std::int64_t count,
                     float* dtable, std::int64_t width);
  void CrossEntropy(const Bf16* logits, const std::int32_t* targets, const float* weights, float* losses,
                    Bf16* d_logits, std::int64_t tokens, std::int64_t vocab);
  void AddWeighted(const float* weights, const float* losses, std::int64_t count, Sum& sum);

  /// Tensors stay where they are: a payload says where, and holds them.
  void PackRows(const Piece& piece, Rows& rows, bool alone, Payload& payload);
  void PackTiles(const Piece& piece, training::TileRows<TrainingKernels>& tiles, Payload& payload);
  /// Copies them into place on this rank's stream and waits for that. The payload may hold more than is wanted.
  void Unpack(const Message& message, const Payload& payload, Traffic& traffic);

 private:
  void Start();
  Span Stop();
  void Multiply(const MatmulShape& shape, const MatmulOperands& operands, bool add);
  AttentionTensors Heads(const training::LayerShape& shape, Bf16* qkv, Bf16* context, void* state) const;

  int gpu_;
  Device* device_;
  KernelCache* cache_;
  SharedMemory memory_;
  bool rehearsing_ = false;
  double started_s_ = 0;
  bool events_work_ = false;  ///< on this stream
  Event start_, end_;
};

}  // namespace dflop::cuda
