// Shapes are kept as the text that a result shows, each with its longest time.
#include "models/extrapolated_shapes.hpp"

#include <algorithm>

namespace dflop {
namespace {

const char* Name(Pass pass) {
  if (pass == Pass::kForward) return "forward";
  return pass == Pass::kInputGradient ? "input gradient" : "weight gradient";
}

std::string Text(double size) {
  const std::string text = ShortestNumber(size);
  return text.ends_with(".0") ? text.substr(0, text.size() - 2) : text;
}

}  // namespace

KernelCost ExtrapolatedShapes::Gemm(double m, double n, double k, Pass pass) const {
  return Remember(costs_->Gemm(m, n, k, pass),
                  "gemm m " + Text(m) + " n " + Text(n) + " k " + Text(k) + ", " + Name(pass));
}

KernelCost ExtrapolatedShapes::Attention(const AttentionShape& shape, Pass pass) const {
  return Remember(costs_->Attention(shape, pass),
                  std::string(shape.causal ? "causal" : "bidirectional") + " attention length " + Text(shape.length) +
                      " heads " + std::to_string(shape.heads) + " kv_heads " + std::to_string(shape.kv_heads) +
                      " head_dim " + std::to_string(shape.head_dim) + ", " +
                      (pass == Pass::kForward ? "forward" : "backward"));
}

KernelCost ExtrapolatedShapes::Remember(const KernelCost& cost, const std::string& shape) const {
  if (cost.extrapolated) seen_[shape] = std::max(seen_[shape], cost.time);
  return cost;
}

std::vector<std::string> ExtrapolatedShapes::Longest(std::size_t count) const {
  std::vector<std::pair<std::string, Seconds>> shapes(seen_.begin(), seen_.end());
  std::stable_sort(shapes.begin(), shapes.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  shapes.resize(std::min(count, shapes.size()));
  std::vector<std::string> names;
  names.reserve(shapes.size());
  for (const auto& [name, time] : shapes) names.push_back(name);
  return names;
}

}  // namespace dflop
