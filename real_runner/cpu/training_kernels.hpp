// The kernels of this folder as training asks for them (real_runner/training/kernels.hpp): fp32 on one core.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "real_runner/cpu/arena.hpp"
#include "real_runner/cpu/denormals.hpp"
#include "real_runner/cpu/packed_attention.hpp"
#include "real_runner/cpu/timed_run.hpp"
#include "real_runner/training/activation_memory.hpp"
#include "real_runner/training/kernels.hpp"
#include "real_runner/training/part_step.hpp"

namespace dflop::cpu {

class TrainingKernels;

/// Weights are their own master copy.
class TrainingStorage {
 public:
  TrainingStorage(TrainingKernels&, std::int64_t trained, std::int64_t frozen, std::int64_t unread);
  float* trained() { return weights_.data(); }
  float* frozen() { return frozen_.data(); }
  float* gradients() { return gradients_.data(); }
  float* unread() { return unread_.data(); }
  void SetTrained(std::int64_t offset, const std::vector<float>& values) {
    std::copy(values.begin(), values.end(), weights_.begin() + offset);
  }
  void SetFrozen(std::int64_t offset, const std::vector<float>& values) {
    std::copy(values.begin(), values.end(), frozen_.begin() + offset);
  }
  void ClearGradients() { std::fill(gradients_.begin(), gradients_.end(), 0.F); }
  void StepOptimizer(int step);

 private:
  std::vector<float> weights_, gradients_, first_moments_, second_moments_, frozen_, unread_;
};

/// An arena whose blocks begin with lines.
class TrainingMemory {
 public:
  std::byte* Reserve(std::size_t bytes);

 private:
  std::shared_ptr<Arena> arena_ = std::make_shared<Arena>();
};

class HostSum {
 public:
  void Clear() { sum_ = 0; }
  void Add(double value) { sum_ += value; }
  double Value() const { return sum_; }

 private:
  double sum_ = 0;
};

class TrainingKernels {
 public:
  using Value = float;
  using Id = float;
  template <typename T>
  using List = std::vector<T>;
  using Rows = std::vector<float>;
  using Memory = TrainingMemory;
  using Storage = TrainingStorage;
  using Sum = HostSum;
  using Traffic = training::Traffic<TrainingKernels>;
  static constexpr std::int64_t kAlignedValues = 1;

  Memory memory() { return {}; }
  Sum MakeSum() { return {}; }
  void Begin() {}
  void End() {}
  bool rehearsing() const { return rehearsing_; }
  void Rehearse(bool rehearse) { rehearsing_ = rehearse; }

  template <typename T>
  void Upload(List<T>& list, std::vector<T> values) {
    list = std::move(values);
  }
  void UploadValues(List<float>& list, std::vector<float> values) { list = std::move(values); }
  void Resize(Rows& rows, std::int64_t values) { rows.assign(static_cast<std::size_t>(values), 0.F); }
  void Expect(Rows&, std::int64_t) {}  // a message brings its own memory

  template <typename Body>
  Span Time(const Body& body) {
    if (rehearsing_) return {};  // no kernel here has anything to make ready
    const FlushedDenormals flushed;
    return TimeRun(body);
  }

  void Norm(const float* x, const float* gain, float* y, std::int64_t rows, std::int64_t width);
  void NormBackward(const float* dy, const float* x, const float* gain, float* dx, float* dgain, std::int64_t rows,
                    std::int64_t width);
  void Linear(const float* x, const float* w, float* y, std::int64_t rows, std::int64_t outputs, std::int64_t inputs);
  void LinearInput(const float* dy, const float* w, float* dx, std::int64_t rows, std::int64_t outputs,
                   std::int64_t inputs);
  void LinearWeight(const float* dy, const float* x, float* dw, std::int64_t rows, std::int64_t outputs,
                    std::int64_t inputs, bool add);
  std::int64_t StateBytes(const training::LayerShape& shape, const training::Pack& pack) const;
  void Rotate(const training::LayerShape& shape, const training::Pack& pack, float* qkv, int direction);
  void AttentionForward(const training::LayerShape& shape, const training::Pack& pack, float* qkv, float* context,
                        void* state);
  void AttentionBackward(const training::LayerShape& shape, const training::Pack& pack, float* qkv, float* context,
                         void* state, float* d_context, float* d_qkv);
  void Activation(const training::LayerShape& shape, const float* up, float* act, std::int64_t rows);
  void ActivationBackward(const training::LayerShape& shape, const float* d_act, const float* up, float* d_up,
                          std::int64_t rows);
  void Silu(const float* u, float* y, std::int64_t values);
  void SiluBackward(const float* dy, const float* u, float* du, std::int64_t values);
  void Add(const float* a, const float* b, float* y, std::int64_t values);
  void Copy(const float* x, float* y, std::int64_t values);
  void RowSums(const float* x, const training::RowRange* ranges, std::int64_t count, float* y, std::int64_t width);
  void AddRepeated(const float* x, float* y, std::int64_t times, std::int64_t values);
  void SumRepeated(const float* dy, float* dx, std::int64_t times, std::int64_t values);
  void Embed(const float* table, const float* ids, const std::int64_t* rows, std::int64_t count, float* y,
             std::int64_t width);
  void EmbedBackward(const float* dy, const float* ids, const std::int64_t* rows, std::int64_t count, float* dtable,
                     std::int64_t width);
  void CrossEntropy(const float* logits, const float* targets, const float* weights, float* losses, float* d_logits,
                    std::int64_t tokens, std::int64_t vocab);
  void AddWeighted(const float* weights, const float* losses, std::int64_t count, Sum& sum);

  /// Hidden rows that are a message of their own are handed over, not copied: a message is packed once.
  void PackRows(const Piece& piece, Rows& rows, bool alone, Payload& payload);
  void PackTiles(const Piece& piece, training::TileRows<TrainingKernels>& tiles, Payload& payload);
  void Unpack(const Message& message, Payload payload, Traffic& traffic);

 private:
  bool rehearsing_ = false;
};

}  // namespace dflop::cpu
