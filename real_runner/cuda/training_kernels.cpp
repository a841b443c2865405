// Short operations are timed by events, long ones by the host's clock, which all ranks share.
#include "real_runner/cuda/training_kernels.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "real_runner/cuda/training_rows.hpp"
#include "real_runner/kernels/operations.hpp"
#include "real_runner/kernels/steady_clock.hpp"
#include "real_runner/training/activation_memory.hpp"

namespace dflop::cuda {
namespace {

using training::LayerShape;
using training::Pack;

constexpr double kShort = 2e-3;
constexpr std::int64_t kFloatBytes = sizeof(float);

/// The largest power of two up to 256 that divides all addresses.
std::uint32_t Alignment(const MatmulOperands& operands) {
  const auto at = [](const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); };
  const std::uintptr_t joined = at(operands.a) | at(operands.b) | at(operands.c) | 256;
  return static_cast<std::uint32_t>(joined & (~joined + 1));
}

ActivationShape RowsOf(const LayerShape& s, std::int64_t rows) { return {rows, s.ffn, s.up_width()}; }

DeviceBuffer Zeros(std::int64_t bytes, cudaStream_t stream) {
  DeviceBuffer buffer(bytes);
  if (bytes > 0) DFLOP_CUDA_CHECK(cudaMemsetAsync(buffer.data(), 0, static_cast<std::size_t>(bytes), stream));
  return buffer;
}

template <typename T>
void ToDevice(void* to, const std::vector<T>& values, cudaStream_t stream) {
  DFLOP_CUDA_CHECK(cudaMemcpyAsync(to, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice, stream));
}

}  // namespace

std::byte* SharedMemory::Reserve(std::size_t bytes) {
  if (static_cast<std::int64_t>(bytes) > buffer_->bytes()) {
    *buffer_ = DeviceBuffer();  // first, as both may not fit
    *buffer_ = DeviceBuffer(static_cast<std::int64_t>(bytes));
  }
  return static_cast<std::byte*>(buffer_->data());
}

TrainingStorage::TrainingStorage(TrainingKernels& kernels, std::int64_t trained, std::int64_t frozen,
                                 std::int64_t unread)
    : stream_(kernels.stream()), trained_values_(trained) {
  for (DeviceBuffer* block : {&master_, &gradients_, &first_moments_, &second_moments_}) {
    *block = Zeros(trained * kFloatBytes, stream_);
  }
  low_ = Zeros(trained * static_cast<std::int64_t>(sizeof(Bf16)), stream_);
  frozen_ = Zeros(frozen * static_cast<std::int64_t>(sizeof(Bf16)), stream_);
  unread_ = Zeros(unread * kFloatBytes, stream_);
}

void TrainingStorage::SetTrained(std::int64_t offset, const std::vector<float>& values) {
  ToDevice(static_cast<float*>(master_.data()) + offset, values, stream_);
  ToDevice(trained() + offset, TrainingKernels::ToBf16(values), stream_);
}

void TrainingStorage::SetFrozen(std::int64_t offset, const std::vector<float>& values) {
  ToDevice(frozen() + offset, TrainingKernels::ToBf16(values), stream_);
}

void TrainingStorage::ClearGradients() {
  const auto bytes = static_cast<std::size_t>(gradients_.bytes());
  if (bytes > 0) DFLOP_CUDA_CHECK(cudaMemsetAsync(gradients_.data(), 0, bytes, stream_));
}

void TrainingStorage::StepOptimizer(int step) {
  if (trained_values_ == 0) return;
  const AdamW settings{static_cast<float>(kAdam.learning_rate), static_cast<float>(kAdam.beta1),
                       static_cast<float>(kAdam.beta2),         static_cast<float>(kAdam.epsilon),
                       static_cast<float>(kAdam.weight_decay),  step};
  OptimizerStep(static_cast<float*>(master_.data()), static_cast<float*>(first_moments_.data()),
                static_cast<float*>(second_moments_.data()), gradients(), trained(), trained_values_, settings,
                stream_);
}

void DeviceSum::Clear() { DFLOP_CUDA_CHECK(cudaMemsetAsync(sum_.data(), 0, sizeof(double), stream_)); }

double DeviceSum::Value() const {
  double value = 0;
  DFLOP_CUDA_CHECK(cudaMemcpyAsync(&value, sum_.data(), sizeof value, cudaMemcpyDeviceToHost, stream_));
  DFLOP_CUDA_CHECK(cudaStreamSynchronize(stream_));
  return value;
}

TrainingKernels::TrainingKernels(int gpu, Device& device, KernelCache& cache, SharedMemory memory)
    : gpu_(gpu), device_(&device), cache_(&cache), memory_(std::move(memory)) {
  try {
    start_.Record(stream());
    end_.Record(stream());
    device_->Synchronize();
    static_cast<void>(end_.SecondsSince(start_));
    events_work_ = true;
  } catch (const RunError&) {  // a stream of a part of the device need not know events of the whole
    events_work_ = false;
  }
}

void TrainingKernels::Begin() { DFLOP_CUDA_CHECK(cudaSetDevice(gpu_)); }

void TrainingKernels::End() { DFLOP_CUDA_CHECK(cudaDeviceSynchronize()); }

std::vector<Bf16> TrainingKernels::ToBf16(const std::vector<float>& values) {
  std::vector<Bf16> low(values.size());
  std::transform(values.begin(), values.end(), low.begin(), [](float value) { return __float2bfloat16(value); });
  return low;
}

void TrainingKernels::Start() {
  started_s_ = NowSeconds();
  if (events_work_) start_.Record(stream());
}

Span TrainingKernels::Stop() {
  if (events_work_) end_.Record(stream());
  device_->Synchronize();
  const double end = NowSeconds();
  const bool is_short = events_work_ && end - started_s_ < kShort;
  return {is_short ? std::max(started_s_, end - end_.SecondsSince(start_)) : started_s_, end, 0};
}

void TrainingKernels::Multiply(const MatmulShape& shape, const MatmulOperands& operands, bool add) {
  const Matmul& product = cache_->Product(shape, Alignment(operands));
  if (!rehearsing_) product.Launch(operands, add);
}

void TrainingKernels::Linear(const Bf16* x, const Bf16* w, Bf16* y, std::int64_t rows, std::int64_t outputs,
                             std::int64_t inputs) {
  Multiply(ForwardShape(rows, outputs, inputs), {x, w, y}, false);
}

void TrainingKernels::LinearInput(const Bf16* dy, const Bf16* w, Bf16* dx, std::int64_t rows, std::int64_t outputs,
                                  std::int64_t inputs) {
  Multiply(InputGradientShape(rows, outputs, inputs), {dy, w, dx}, false);
}

void TrainingKernels::LinearWeight(const Bf16* dy, const Bf16* x, float* dw, std::int64_t rows, std::int64_t outputs,
                                   std::int64_t inputs, bool add) {
  Multiply(WeightGradientShape(rows, outputs, inputs), {dy, x, dw}, add);
}

void TrainingKernels::Norm(const Bf16* x, const Bf16* gain, Bf16* y, std::int64_t rows, std::int64_t width) {
  if (!rehearsing_) NormForward(x, gain, y, rows, width, stream());
}

void TrainingKernels::NormBackward(const Bf16* dy, const Bf16* x, const Bf16* gain, Bf16* dx, float* dgain,
                                   std::int64_t rows, std::int64_t width) {
  void* const partial = device_->Scratch(NormPartialRows(rows) * width * kFloatBytes);
  if (rehearsing_) return;
  cuda::NormBackward(dy, x, gain, dx, dgain, static_cast<float*>(partial), rows, width, stream(), true);
}

std::int64_t TrainingKernels::StateBytes(const LayerShape& shape, const Pack& pack) const {
  return cache_->PlanOf(shape, pack).attention->state_bytes();
}

std::string TrainingKernels::AttentionName(const LayerShape& shape, const Pack& pack) const {
  return cache_->PlanOf(shape, pack).attention->name();
}

/// q and k lie side by side and are rotated as one row of heads + kv_heads heads.
void TrainingKernels::Rotate(const LayerShape& s, const Pack& pack, Bf16* qkv, int direction) {
  const auto* const positions = static_cast<const std::int32_t*>(cache_->PlanOf(s, pack).positions.data());
  if (rehearsing_) return;
  const RopeShape shape{
      pack.tokens,   pack.tokens, static_cast<int>(s.heads + s.kv_heads), static_cast<int>(s.head_dim()),
      s.qkv_width(), positions};
  Rope(qkv, qkv, shape, direction, stream());
}

AttentionTensors TrainingKernels::Heads(const LayerShape& s, Bf16* qkv, Bf16* context, void* state) const {
  return {qkv, qkv + s.query_width(), qkv + s.query_width() + s.kv_width(), context, state};
}

void TrainingKernels::AttentionForward(const LayerShape& shape, const Pack& pack, Bf16* qkv, Bf16* context,
                                       void* state) {
  Attention& attention = *cache_->PlanOf(shape, pack).attention;
  if (!rehearsing_) attention.Forward(Heads(shape, qkv, context, state));
}

void TrainingKernels::AttentionBackward(const LayerShape& shape, const Pack& pack, Bf16* qkv, Bf16* context,
                                        void* state, Bf16* d_context, Bf16* d_qkv) {
  Attention& attention = *cache_->PlanOf(shape, pack).attention;
  if (rehearsing_) return;
  AttentionTensors tensors = Heads(shape, qkv, context, state);
  tensors.d_o = d_context;
  tensors.dq = d_qkv;
  tensors.dk = d_qkv + shape.query_width();
  tensors.dv = d_qkv + shape.query_width() + shape.kv_width();
  attention.Backward(tensors);
}

void TrainingKernels::Activation(const LayerShape& s, const Bf16* up, Bf16* act, std::int64_t rows) {
  if (!rehearsing_) ActivationForward(up, s.gated ? up + s.ffn : nullptr, act, RowsOf(s, rows), stream());
}

void TrainingKernels::ActivationBackward(const LayerShape& s, const Bf16* d_act, const Bf16* up, Bf16* d_up,
                                         std::int64_t rows) {
  if (rehearsing_) return;
  cuda::ActivationBackward(d_act, up, s.gated ? up + s.ffn : nullptr, d_up, s.gated ? d_up + s.ffn : nullptr,
                           RowsOf(s, rows), stream());
}

void TrainingKernels::Silu(const Bf16* u, Bf16* y, std::int64_t values) {
  if (!rehearsing_) ActivationForward(u, nullptr, y, {1, values, values}, stream());
}

void TrainingKernels::SiluBackward(const Bf16* dy, const Bf16* u, Bf16* du, std::int64_t values) {
  if (!rehearsing_) cuda::ActivationBackward(dy, u, nullptr, du, nullptr, {1, values, values}, stream());
}

void TrainingKernels::Add(const Bf16* a, const Bf16* b, Bf16* y, std::int64_t values) {
  if (!rehearsing_) cuda::Add(a, b, y, values, stream());
}

void TrainingKernels::Copy(const Bf16* x, Bf16* y, std::int64_t values) {
  if (rehearsing_) return;
  DFLOP_CUDA_CHECK(
      cudaMemcpyAsync(y, x, static_cast<std::size_t>(values) * sizeof(Bf16), cudaMemcpyDeviceToDevice, stream()));
}

void TrainingKernels::RowSums(const Bf16* x, const training::RowRange* ranges, std::int64_t count, Bf16* y,
                              std::int64_t width) {
  if (!rehearsing_) cuda::RowSums(x, ranges, count, y, width, stream());
}

void TrainingKernels::AddRepeated(const Bf16* x, Bf16* y, std::int64_t times, std::int64_t values) {
  if (!rehearsing_) cuda::AddRepeated(x, y, times, values, stream());
}

void TrainingKernels::SumRepeated(const Bf16* dy, float* dx, std::int64_t times, std::int64_t values) {
  if (!rehearsing_) cuda::SumRepeated(dy, dx, times, values, stream());
}

void TrainingKernels::Embed(const Bf16* table, const std::int32_t* ids, const std::int64_t* rows, std::int64_t count,
                            Bf16* y, std::int64_t width) {
  if (!rehearsing_) EmbedAt(table, ids, rows, count, y, width, stream());
}

void TrainingKernels::EmbedBackward(const Bf16* dy, const std::int32_t* ids, const std::int64_t* rows,
                                    std::int64_t count, float* dtable, std::int64_t width) {
  if (!rehearsing_) cuda::EmbedBackward(dy, ids, rows, count, dtable, width, stream());
}

void TrainingKernels::CrossEntropy(const Bf16* logits, const std::int32_t* targets, const float* weights, float* losses,
                                   Bf16* d_logits, std::int64_t tokens, std::int64_t vocab) {
  if (!rehearsing_) Loss(logits, targets, losses, d_logits, tokens, vocab, stream(), weights);
}

void TrainingKernels::AddWeighted(const float* weights, const float* losses, std::int64_t count, Sum& sum) {
  if (!rehearsing_) cuda::AddWeighted(weights, losses, count, sum.data(), stream());
}

}  // namespace dflop::cuda
