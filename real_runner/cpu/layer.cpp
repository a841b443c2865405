// A whole transformer layer as the profiler measures it: what the sum of its operations is held against.
#include <algorithm>

#include "real_runner/cpu/cpu_operation.hpp"
#include "real_runner/cpu/training_kernels.hpp"
#include "real_runner/kernels/backend.hpp"
#include "real_runner/training/transformer_layer.hpp"

namespace dflop {
namespace {

struct LayerSizes {
  training::LayerShape shape;
  training::Pack pack;

  explicit LayerSizes(const CostRow& row) {
    const auto size = [&](const char* dimension) { return static_cast<std::int64_t>(row.dimension(dimension)); };
    shape = {size("hidden"),   size("ffn_hidden"),         size("heads"),
             size("kv_heads"), row.dimension("gated") > 0, row.dimension("causal") > 0};
    const std::int64_t tokens = size("tokens");
    const std::int64_t seq = size("seq");
    if (tokens % seq != 0 || shape.hidden % shape.heads != 0 || shape.heads % shape.kv_heads != 0) {
      throw Unsupported("a layer needs tokens in whole sequences, hidden in whole heads, heads in whole groups");
    }
    pack = training::Pack(std::vector<std::int64_t>(static_cast<std::size_t>(tokens / seq), seq));
  }
};

// Positions of the tensors in the lists below; the forward's list ends with kAct.
// clang-format off
enum Tensor : std::size_t {
  kX, kNorm1, kQkvWeight, kOutWeight, kNorm2, kUpWeight, kDownWeight,         // inputs
  kY, kNormed1, kQkv, kLse, kContext, kMiddle, kNormed2, kUp, kAct,           // made by the forward
  kDy,                                                                        // input of the backward
  kDx, kDNorm1, kDQkvWeight, kDOutWeight, kDNorm2, kDUpWeight, kDDownWeight,  // outputs of the backward
  kDAct, kDUp, kDMiddle, kDContext, kDQkv                                     // between
};
// clang-format on

std::vector<CpuTensor> ForwardTensors(const LayerSizes& sizes, Fill y) {
  const training::LayerShape& s = sizes.shape;
  const std::int64_t tokens = sizes.pack.tokens;
  return {{"x", {tokens, s.hidden}},
          {"norm1", {s.hidden}},
          {"qkv", {s.qkv_width(), s.hidden}, Fill::kWeight},
          {"out", {s.hidden, s.query_width()}, Fill::kWeight},
          {"norm2", {s.hidden}},
          {"up", {s.up_width(), s.hidden}, Fill::kWeight},
          {"down", {s.hidden, s.ffn}, Fill::kWeight},
          {"y", {tokens, s.hidden}, y},
          {"normed1", {tokens, s.hidden}, Fill::kWorkspace},
          {"qkv values", {tokens, s.qkv_width()}, Fill::kWorkspace},
          {"lse", {s.heads, tokens}, Fill::kWorkspace},
          {"context", {tokens, s.query_width()}, Fill::kWorkspace},
          {"middle", {tokens, s.hidden}, Fill::kWorkspace},
          {"normed2", {tokens, s.hidden}, Fill::kWorkspace},
          {"up values", {tokens, s.up_width()}, Fill::kWorkspace},
          {"act", {tokens, s.ffn}, Fill::kWorkspace}};
}

std::vector<CpuTensor> BackwardTensors(const LayerSizes& sizes) {
  const training::LayerShape& s = sizes.shape;
  const std::int64_t tokens = sizes.pack.tokens;
  std::vector<CpuTensor> tensors = ForwardTensors(sizes, Fill::kWorkspace);
  const std::vector<CpuTensor> more = {{"dy", {tokens, s.hidden}},
                                       {"dx", {tokens, s.hidden}, Fill::kOutput},
                                       {"dnorm1", {s.hidden}, Fill::kOutput},
                                       {"dqkv", {s.qkv_width(), s.hidden}, Fill::kOutput},
                                       {"dout", {s.hidden, s.query_width()}, Fill::kOutput},
                                       {"dnorm2", {s.hidden}, Fill::kOutput},
                                       {"dup", {s.up_width(), s.hidden}, Fill::kOutput},
                                       {"ddown", {s.hidden, s.ffn}, Fill::kOutput},
                                       {"dact", {tokens, s.ffn}, Fill::kWorkspace},
                                       {"dup values", {tokens, s.up_width()}, Fill::kWorkspace},
                                       {"dmiddle", {tokens, s.hidden}, Fill::kWorkspace},
                                       {"dcontext", {tokens, s.query_width()}, Fill::kWorkspace},
                                       {"dqkv values", {tokens, s.qkv_width()}, Fill::kWorkspace}};
  tensors.insert(tensors.end(), more.begin(), more.end());
  return tensors;
}

/// Six tensors in the order of training::LayerTensors.
training::LayerTensors<float> WeightsAt(const TensorPointers& t, Tensor first) {
  return {t[first], t[first + 1], t[first + 2], t[first + 3], t[first + 4], t[first + 5]};
}

training::LayerActivations<float> Activations(const TensorPointers& t) {
  return {t[kNormed1], t[kQkv], t[kLse], t[kContext], t[kMiddle], t[kNormed2], t[kUp], t[kAct]};
}

}  // namespace

CpuOperation LayerOperation(const CostRow& row) {
  const LayerSizes sizes(row);
  const auto forward = [sizes](const TensorPointers& t) {
    cpu::TrainingKernels kernels;
    training::LayerForward(kernels, sizes.shape, sizes.pack, WeightsAt(t, kNorm1), t[kX], Activations(t), t[kY]);
  };
  if (row.direction == "forward") return {ForwardTensors(sizes, Fill::kOutput), forward, {}};
  const auto backward = [sizes](const TensorPointers& t) {
    for (const Tensor norm : {kDNorm1, kDNorm2}) std::fill_n(t[norm], sizes.shape.hidden, 0.F);
    cpu::TrainingKernels kernels;
    training::LayerBackward(kernels, sizes.shape, sizes.pack, WeightsAt(t, kNorm1), t[kX], Activations(t), t[kDy],
                            {t[kDAct], t[kDUp], t[kDMiddle], t[kDContext], t[kDQkv]}, t[kDx], WeightsAt(t, kDNorm1),
                            training::MatrixGradients::kOverwrite);
  };
  return {BackwardTensors(sizes), backward, forward};
}

}  // namespace dflop
