// A function per operation from named inputs to named outputs, out of the building blocks of layer_reference.hpp.
#include "tests/real_runner/kernel_reference.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <stdexcept>

#include "real_runner/kernels/operations.hpp"
#include "tests/real_runner/layer_reference.hpp"

namespace dflop {
namespace {

using reference::Values;

std::size_t Dimension(const CostRow& row, const char* name) { return static_cast<std::size_t>(row.dimension(name)); }

class Tensors {
 public:
  explicit Tensors(const std::vector<HostTensor>& tensors) {
    for (const HostTensor& tensor : tensors) tensors_[tensor.name] = &tensor;
  }
  const HostTensor& operator[](const std::string& name) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) throw std::runtime_error("there is no tensor " + name);
    return *found->second;
  }
  Values values(const std::string& name) const {
    const HostTensor& tensor = (*this)[name];
    return {tensor.values.begin(), tensor.values.end()};
  }
  /// Length of the last dimension.
  std::size_t width(const std::string& name) const { return static_cast<std::size_t>((*this)[name].shape.back()); }

 private:
  std::map<std::string, const HostTensor*> tensors_;
};

using Outputs = std::map<std::string, Values>;

Outputs Gemm(const CostRow& row, const Tensors& t) {
  const std::size_t m = Dimension(row, "m");
  const std::size_t n = Dimension(row, "n");
  const std::size_t k = Dimension(row, "k");
  if (row.direction == "forward") return {{"y", reference::MultiplyTransposed(t.values("x"), t.values("w"), m, n, k)}};
  if (row.direction == "input_gradient") return {{"dx", reference::Multiply(t.values("dy"), t.values("w"), m, k, n)}};
  return {{"dw", reference::TransposedMultiply(t.values("dy"), t.values("x"), n, k, m)}};
}

Outputs Attention(const CostRow& row, const Tensors& t) {
  const reference::AttentionShape shape{Dimension(row, "batch"),    Dimension(row, "seq"),
                                        Dimension(row, "heads"),    Dimension(row, "kv_heads"),
                                        Dimension(row, "head_dim"), row.op == "attention_causal"};
  const reference::Attention attention(shape, t.values("q"), t.values("k"), t.values("v"));
  if (row.direction == "forward") return {{"o", attention.Forward()}};
  const reference::AttentionGradients gradients = attention.Backward(t.values("do"));
  return {{"dq", gradients.dq}, {"dk", gradients.dk}, {"dv", gradients.dv}};
}

/// Part of a tensor's values.
Values Slice(const Values& values, std::size_t first, std::size_t count) {
  const auto begin = values.begin() + static_cast<std::ptrdiff_t>(first);
  return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

void Append(Values& to, const Values& more) { to.insert(to.end(), more.begin(), more.end()); }

/// Every sequence by itself: nothing of another one may be seen.
Outputs PackedAttention(const CostRow& row, const Tensors& t) {
  const std::size_t heads = Dimension(row, "heads"), kv_heads = Dimension(row, "kv_heads");
  const std::size_t head_dim = Dimension(row, "head_dim");
  const bool forward = row.direction == "forward";
  Outputs outputs;
  std::size_t token = 0;
  for (const std::int64_t length : row.lengths) {
    const auto tokens = static_cast<std::size_t>(length);
    const auto part = [&](const char* name, std::size_t width) {
      return Slice(t.values(name), token * width, tokens * width);
    };
    const reference::AttentionShape shape{1, tokens, heads, kv_heads, head_dim, true};
    const reference::Attention attention(shape, part("q", heads * head_dim), part("k", kv_heads * head_dim),
                                         part("v", kv_heads * head_dim));
    if (forward) {
      Append(outputs["o"], attention.Forward());
    } else {
      const reference::AttentionGradients gradients = attention.Backward(part("do", heads * head_dim));
      Append(outputs["dq"], gradients.dq);
      Append(outputs["dk"], gradients.dk);
      Append(outputs["dv"], gradients.dv);
    }
    token += tokens;
  }
  return outputs;
}

Outputs Norm(const CostRow& row, const Tensors& t) {
  const std::size_t width = t.width("g");
  if (row.direction == "forward") return {{"y", reference::Norm(t.values("x"), t.values("g"), width)}};
  const reference::NormGradients gradients =
      reference::NormBackward(t.values("dy"), t.values("x"), t.values("g"), width);
  return {{"dx", gradients.dx}, {"dg", gradients.dweight}};
}

Outputs Activation(const CostRow& row, const Tensors& t) {
  const Values u = t.values("u");
  const Values v = t.values("v");
  Values y(u.size()), du(u.size()), dv(u.size());
  if (row.direction == "forward") {
    for (std::size_t i = 0; i < u.size(); ++i) y[i] = reference::Silu(u[i]) * v[i];
    return {{"y", y}};
  }
  const Values dy = t.values("dy");
  for (std::size_t i = 0; i < u.size(); ++i) {
    du[i] = dy[i] * v[i] * reference::SiluSlope(u[i]);
    dv[i] = dy[i] * reference::Silu(u[i]);
  }
  return {{"du", du}, {"dv", dv}};
}

Outputs Rope(const CostRow&, const Tensors& t) {
  Values y = t.values("x");
  const std::size_t width = t.width("x");
  for (std::size_t r = 0; r < y.size() / width; ++r) reference::Rotate(&y[r * width], width, static_cast<double>(r), 1);
  return {{"y", y}};
}

Outputs Add(const CostRow&, const Tensors& t) {
  Values y = t.values("a");
  const Values b = t.values("b");
  for (std::size_t i = 0; i < y.size(); ++i) y[i] += b[i];
  return {{"y", y}};
}

Outputs Softmax(const CostRow&, const Tensors& t) {
  Values y = t.values("x");
  reference::SoftmaxRows(y, t.width("x"));
  return {{"y", y}};
}

Outputs Embedding(const CostRow&, const Tensors& t) {
  const Values table = t.values("table");
  const std::size_t width = t.width("table");
  Values y;
  for (const double id : t.values("ids")) {
    const auto first = table.begin() + static_cast<std::ptrdiff_t>(id) * static_cast<std::ptrdiff_t>(width);
    y.insert(y.end(), first, first + static_cast<std::ptrdiff_t>(width));
  }
  return {{"y", y}};
}

Outputs Copy(const CostRow&, const Tensors& t) { return {{"y", t.values("x")}}; }

Outputs Loss(const CostRow& row, const Tensors& t) {
  Values gradient = t.values("logits");
  const std::size_t vocab = Dimension(row, "vocab");
  reference::SoftmaxRows(gradient, vocab);
  const Values targets = t.values("targets");
  Values losses;
  for (std::size_t token = 0; token < targets.size(); ++token) {
    double& probability = gradient[token * vocab + static_cast<std::size_t>(targets[token])];
    losses.push_back(-std::log(probability));
    probability -= 1;
  }
  return {{"losses", losses}, {"dlogits", gradient}};
}

// Loshchilov & Hutter, arXiv 1711.05101, algorithm 2.
Outputs Optimizer(const CostRow&, const Tensors& t) {
  Values w = t.values("w"), m = t.values("m"), v = t.values("v");
  const Values gradient = t.values("gradient");
  for (std::size_t i = 0; i < w.size(); ++i) {
    m[i] = kAdam.beta1 * m[i] + (1 - kAdam.beta1) * gradient[i];
    v[i] = kAdam.beta2 * v[i] + (1 - kAdam.beta2) * gradient[i] * gradient[i];
    const double first = m[i] / (1 - std::pow(kAdam.beta1, kAdam.step));
    const double second = v[i] / (1 - std::pow(kAdam.beta2, kAdam.step));
    w[i] -= kAdam.learning_rate * (first / (std::sqrt(second) + kAdam.epsilon) + kAdam.weight_decay * w[i]);
  }
  return {{"w_new", w}, {"m_new", m}, {"v_new", v}, {"low", w}};
}

Outputs Layer(const CostRow& row, const Tensors& t) {
  reference::LayerWeights weights{t.values("norm1"), t.values("qkv"), t.values("out"),
                                  t.values("norm2"), t.values("up"),  t.values("down")};
  reference::Layer layer(row, t.values("x"), std::move(weights));
  if (row.direction == "forward") return {{"y", layer.y()}};
  const reference::LayerGradients g = layer.Backward(t.values("dy"));
  return {{"dx", g.dx},
          {"dnorm1", g.weights.norm1},
          {"dqkv", g.weights.qkv},
          {"dout", g.weights.out},
          {"dnorm2", g.weights.norm2},
          {"dup", g.weights.up},
          {"ddown", g.weights.down}};
}

using Reference = std::function<Outputs(const CostRow&, const Tensors&)>;

const std::map<std::string, Reference>& References() {
  static const std::map<std::string, Reference> kReferences = {{"gemm", Gemm},
                                                               {"attention_causal", Attention},
                                                               {"attention_full", Attention},
                                                               {"attention_packed", PackedAttention},
                                                               {"norm", Norm},
                                                               {"activation", Activation},
                                                               {"rope", Rope},
                                                               {"add", Add},
                                                               {"softmax", Softmax},
                                                               {"embedding", Embedding},
                                                               {"copy", Copy},
                                                               {"loss", Loss},
                                                               {"optimizer", Optimizer},
                                                               {"layer", Layer}};
  return kReferences;
}

double Difference(const Values& wanted, const std::vector<float>& found) {
  if (wanted.size() != found.size()) throw std::runtime_error("an output has another size than the reference");
  double largest = 1e-30;
  double difference = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    largest = std::max(largest, std::abs(wanted[i]));
    const double here = std::abs(wanted[i] - static_cast<double>(found[i]));
    difference = std::isfinite(here) ? std::max(difference, here) : HUGE_VAL;
  }
  return difference / largest;
}

}  // namespace

KernelError CompareWithReference(const CostRow& row, const std::vector<HostTensor>& tensors) {
  const auto known = References().find(row.op);
  if (known == References().end()) throw std::runtime_error("there is no reference for " + row.op);
  const Tensors found(tensors);
  KernelError worst;
  for (const auto& [name, wanted] : known->second(row, found)) {
    const double error = Difference(wanted, found[name].values);
    if (!(error <= worst.relative)) worst = {error, name};
  }
  return worst;
}

}  // namespace dflop
