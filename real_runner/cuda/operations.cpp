// Each operation names its tensors and how to launch on them; sets, timing and checks are TensorKernel's.
#include "real_runner/cuda/operations.hpp"

#include <algorithm>
#include <numeric>

#include "real_runner/cuda/attention.hpp"
#include "real_runner/cuda/kernels.hpp"
#include "real_runner/cuda/matmul.hpp"
#include "real_runner/kernels/operation_sizes.hpp"

namespace dflop::cuda {
namespace {

constexpr int kElementBytes = sizeof(Bf16);
constexpr std::int64_t kTableRows = 16384;  // 128 MiB of embeddings: beyond every cache
constexpr char kOwn[] = "own kernel";

using Specs = std::vector<TensorSpec>;
using Kernel = std::unique_ptr<TensorKernel>;

const Bf16* In(const Tensors& tensors, std::size_t i) { return static_cast<const Bf16*>(tensors[i]); }
Bf16* Out(const Tensors& tensors, std::size_t i) { return static_cast<Bf16*>(tensors[i]); }
float* Floats(const Tensors& tensors, std::size_t i) { return static_cast<float*>(tensors[i]); }
const std::int32_t* Indices(const Tensors& tensors, std::size_t i) {
  return static_cast<const std::int32_t*>(tensors[i]);
}

Kernel Make(Device& device, Specs specs, TensorKernel::LaunchFunction launch, const std::string& name = kOwn) {
  auto kernel = std::make_unique<TensorKernel>(device, std::move(specs));
  kernel->Run(std::move(launch), name);
  return kernel;
}

/// a and b are the first two tensors, c the third.
Kernel MakeGemm(Device& device, const MatmulShape& shape, bool accumulate, Specs specs) {
  auto matmul = std::make_shared<Matmul>(device, shape);
  auto kernel = std::make_unique<TensorKernel>(device, std::move(specs));
  const auto operands = [](const Tensors& t) { return MatmulOperands{t[0], t[1], t[2]}; };
  matmul->Tune([&](int) { return operands(kernel->Next()); });
  kernel->Run([=](const Tensors& t) { matmul->Launch(operands(t), accumulate); }, matmul->name());
  return kernel;
}

Kernel Gemm(Device& device, const CostRow& row) {
  const std::int64_t m = Size(row, "m"), n = Size(row, "n"), k = Size(row, "k");
  if (row.direction == "forward") {
    return MakeGemm(device, ForwardShape(m, n, k), false,
                    {{.name = "x", .shape = {m, k}},
                     {.name = "w", .shape = {n, k}},
                     {.name = "y", .shape = {m, n}, .role = Role::kOutput}});
  }
  if (row.direction == "input_gradient") {
    return MakeGemm(device, InputGradientShape(m, n, k), false,
                    {{.name = "dy", .shape = {m, n}},
                     {.name = "w", .shape = {n, k}},
                     {.name = "dx", .shape = {m, k}, .role = Role::kOutput}});
  }
  return MakeGemm(device, WeightGradientShape(m, n, k), true,
                  {{.name = "dy", .shape = {m, n}},
                   {.name = "x", .shape = {m, k}},
                   {.name = "dw", .shape = {n, k}, .role = Role::kAccumulated, .type = ElementType::kFloat}});
}

AttentionShape ShapeOf(const CostRow& row) {
  const bool packed = IsPacked(row.op);
  const std::int64_t heads = Size(row, "heads"), kv_heads = Size(row, "kv_heads"), dim = Size(row, "head_dim");
  return {.batch = packed ? static_cast<std::int64_t>(row.lengths.size()) : Size(row, "batch"),
          .seq = packed ? *std::max_element(row.lengths.begin(), row.lengths.end()) : Size(row, "seq"),
          .heads = heads,
          .kv_heads = kv_heads,
          .dim = dim,
          .causal = row.op != "attention_full",
          .q_stride = heads * dim,
          .kv_stride = kv_heads * dim,
          .lengths = row.lengths};
}

/// [batch, seq, heads, dim], of a pack [tokens, heads, dim].
std::vector<std::int64_t> TokensOf(const AttentionShape& shape, std::int64_t heads) {
  if (shape.lengths.empty()) return {shape.batch, shape.seq, heads, shape.dim};
  return {std::accumulate(shape.lengths.begin(), shape.lengths.end(), std::int64_t{0}), heads, shape.dim};
}

Kernel AttentionOperation(Device& device, const CostRow& row) {
  const bool backward = row.direction == "backward";
  const AttentionShape shape = ShapeOf(row);
  const std::shared_ptr<Attention> attention = MakeAttention(device, shape, backward);
  const std::vector<std::int64_t> of_q = TokensOf(shape, shape.heads), of_k = TokensOf(shape, shape.kv_heads);
  Specs specs = {{.name = "q", .shape = of_q},
                 {.name = "k", .shape = of_k},
                 {.name = "v", .shape = of_k},
                 {.name = "o", .shape = of_q, .role = backward ? Role::kScratch : Role::kOutput},
                 {.name = "state", .shape = {(attention->state_bytes() + 1) / 2}, .role = Role::kScratch}};
  const auto forward = [=](const Tensors& t) { attention->Forward({In(t, 0), In(t, 1), In(t, 2), Out(t, 3), t[4]}); };
  if (!backward) return Make(device, std::move(specs), forward, attention->name());

  specs.push_back({.name = "do", .shape = of_q});
  specs.push_back({.name = "dq", .shape = of_q, .role = Role::kOutput});
  specs.push_back({.name = "dk", .shape = of_k, .role = Role::kOutput});
  specs.push_back({.name = "dv", .shape = of_k, .role = Role::kOutput});
  Kernel kernel = Make(
      device, std::move(specs),
      [=](const Tensors& t) {
        attention->Backward({In(t, 0), In(t, 1), In(t, 2), Out(t, 3), t[4], In(t, 5), Out(t, 6), Out(t, 7), Out(t, 8)});
      },
      attention->name());
  kernel->ForEachSet(forward);  // backward reads o and the state
  return kernel;
}

Kernel Norm(Device& device, const CostRow& row) {
  const std::int64_t rows = RowsFor(row, kElementBytes);
  const std::vector<std::int64_t> shape = {rows, kRowWidth};
  if (row.direction == "forward") {
    return Make(device,
                {{.name = "x", .shape = shape},
                 {.name = "g", .shape = {kRowWidth}},
                 {.name = "y", .shape = shape, .role = Role::kOutput}},
                [=, &device](const Tensors& t) {
                  NormForward(In(t, 0), In(t, 1), Out(t, 2), rows, kRowWidth, device.stream());
                });
  }
  const auto partial =
      std::make_shared<DeviceBuffer>(NormPartialRows(rows) * kRowWidth * static_cast<std::int64_t>(sizeof(float)));
  return Make(device,
              {{.name = "dy", .shape = shape},
               {.name = "x", .shape = shape},
               {.name = "g", .shape = {kRowWidth}},
               {.name = "dx", .shape = shape, .role = Role::kOutput},
               {.name = "dg", .shape = {kRowWidth}, .role = Role::kOutput, .type = ElementType::kFloat}},
              [=, &device](const Tensors& t) {
                NormBackward(In(t, 0), In(t, 1), In(t, 2), Out(t, 3), Floats(t, 4),
                             static_cast<float*>(partial->data()), rows, kRowWidth, device.stream());
              });
}

Kernel Activation(Device& device, const CostRow& row) {
  const std::int64_t n = ValuesFor(row, kElementBytes);
  const ActivationShape shape{1, n, n};
  if (row.direction == "forward") {
    return Make(
        device,
        {{.name = "u", .shape = {n}}, {.name = "v", .shape = {n}}, {.name = "y", .shape = {n}, .role = Role::kOutput}},
        [=, &device](const Tensors& t) { ActivationForward(In(t, 0), In(t, 1), Out(t, 2), shape, device.stream()); });
  }
  return Make(device,
              {{.name = "dy", .shape = {n}},
               {.name = "u", .shape = {n}},
               {.name = "v", .shape = {n}},
               {.name = "du", .shape = {n}, .role = Role::kOutput},
               {.name = "dv", .shape = {n}, .role = Role::kOutput}},
              [=, &device](const Tensors& t) {
                ActivationBackward(In(t, 0), In(t, 1), In(t, 2), Out(t, 3), Out(t, 4), shape, device.stream());
              });
}

/// One tensor in, one of the same shape out.
template <typename LaunchOne>
Kernel Unary(Device& device, std::vector<std::int64_t> shape, LaunchOne launch) {
  return Make(device, {{.name = "x", .shape = shape}, {.name = "y", .shape = shape, .role = Role::kOutput}},
              [=, &device](const Tensors& t) { launch(In(t, 0), Out(t, 1), device.stream()); });
}

Kernel RopeOperation(Device& device, const CostRow& row) {
  const std::int64_t rows = RowsFor(row, kElementBytes);
  const RopeShape shape{rows, rows, 1, kRowWidth, kRowWidth};
  return Unary(device, {rows, kRowWidth},
               [=](const Bf16* x, Bf16* y, cudaStream_t stream) { Rope(x, y, shape, 1, stream); });
}

Kernel Softmax(Device& device, const CostRow& row) {
  const std::int64_t rows = RowsFor(row, kElementBytes);
  return Unary(device, {rows, kRowWidth}, [=](const Bf16* x, Bf16* y, cudaStream_t stream) {
    SoftmaxForward(x, y, rows, kRowWidth, 1, false, stream);
  });
}

Kernel CopyOperation(Device& device, const CostRow& row) {
  const std::int64_t n = ValuesFor(row, kElementBytes);
  return Unary(device, {n}, [=](const Bf16* x, Bf16* y, cudaStream_t stream) { Copy(x, y, n, stream); });
}

Kernel AddOperation(Device& device, const CostRow& row) {
  const std::int64_t n = ValuesFor(row, kElementBytes);
  return Make(
      device,
      {{.name = "a", .shape = {n}}, {.name = "b", .shape = {n}}, {.name = "y", .shape = {n}, .role = Role::kOutput}},
      [=, &device](const Tensors& t) { Add(In(t, 0), In(t, 1), Out(t, 2), n, device.stream()); });
}

Kernel EmbeddingOperation(Device& device, const CostRow& row) {
  const std::int64_t rows = RowsFor(row, kElementBytes);
  return Make(
      device,
      {{.name = "table", .shape = {kTableRows, kRowWidth}},
       {.name = "ids", .shape = {rows}, .type = ElementType::kInt32, .bound = static_cast<std::int32_t>(kTableRows)},
       {.name = "y", .shape = {rows, kRowWidth}, .role = Role::kOutput}},
      [=, &device](const Tensors& t) {
        Embedding(In(t, 0), Indices(t, 1), Out(t, 2), rows, kRowWidth, device.stream());
      });
}

Kernel LossOperation(Device& device, const CostRow& row) {
  const std::int64_t tokens = Size(row, "tokens"), vocab = Size(row, "vocab");
  return Make(
      device,
      {{.name = "logits", .shape = {tokens, vocab}},
       {.name = "targets", .shape = {tokens}, .type = ElementType::kInt32, .bound = static_cast<std::int32_t>(vocab)},
       {.name = "losses", .shape = {tokens}, .role = Role::kOutput, .type = ElementType::kFloat},
       {.name = "dlogits", .shape = {tokens, vocab}, .role = Role::kOutput}},
      [=, &device](const Tensors& t) {
        Loss(In(t, 0), Indices(t, 1), Floats(t, 2), Out(t, 3), tokens, vocab, device.stream());
      });
}

Kernel Optimizer(Device& device, const CostRow& row) {
  const std::int64_t n = Size(row, "parameters");
  const AdamW settings{static_cast<float>(kAdam.learning_rate), static_cast<float>(kAdam.beta1),
                       static_cast<float>(kAdam.beta2),         static_cast<float>(kAdam.epsilon),
                       static_cast<float>(kAdam.weight_decay),  kAdam.step};
  const auto updated = [n](const char* name, float scale, float shift) {
    return TensorSpec{.name = name,
                      .shape = {n},
                      .role = Role::kUpdated,
                      .type = ElementType::kFloat,
                      .scale = scale,
                      .shift = shift};
  };
  return Make(device,
              {updated("w", 1, 0),
               updated("m", 0.1f, 0),
               updated("v", 0.05f, 0.051f),  // v is a mean of squares: above 0
               {.name = "gradient", .shape = {n}, .type = ElementType::kFloat},
               {.name = "low", .shape = {n}, .role = Role::kOutput}},
              [=, &device](const Tensors& t) {
                OptimizerStep(Floats(t, 0), Floats(t, 1), Floats(t, 2), Floats(t, 3), Out(t, 4), n, settings,
                              device.stream());
              });
}

class EmptyLaunch final : public CudaKernel {
 public:
  explicit EmptyLaunch(Device& device) : device_(device) {}
  void Launch() override { EmptyKernel(device_.stream()); }
  std::string implementation() const override { return "empty kernel, host time"; }
  std::vector<HostTensor> RunOnce() override {
    Launch();
    device_.Synchronize();
    return {};
  }
  std::vector<TimedLaunch> Time(int repeats) override {
    return TimeOnHost(
        device_.stream(), [this] { Launch(); }, repeats);
  }

 private:
  Device& device_;
};

struct Entry {
  const char* op;
  Kernel (*prepare)(Device&, const CostRow&);
  bool backward;  ///< whether the row may say so
};

constexpr Entry kEntries[] = {{"attention_causal", AttentionOperation, true},
                              {"attention_full", AttentionOperation, true},
                              {"attention_packed", AttentionOperation, true},
                              {"norm", Norm, true},
                              {"activation", Activation, true},
                              {"rope", RopeOperation, false},
                              {"add", AddOperation, false},
                              {"softmax", Softmax, false},
                              {"embedding", EmbeddingOperation, false},
                              {"copy", CopyOperation, false},
                              {"loss", LossOperation, false},
                              {"optimizer", Optimizer, false}};

}  // namespace

std::unique_ptr<CudaKernel> PrepareOperation(Device& device, const CostRow& row) {
  if (row.op == "gemm") return Gemm(device, row);
  if (row.op == "launch") return std::make_unique<EmptyLaunch>(device);
  for (const Entry& entry : kEntries) {
    if (row.op != entry.op) continue;
    if (row.direction != "forward" && !(entry.backward && row.direction == "backward")) break;
    return entry.prepare(device, row);
  }
  throw Unsupported("the cuda backend has no " + row.op + " " + row.direction);
}

}  // namespace dflop::cuda
