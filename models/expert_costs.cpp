// What a layer with experts runs in place of the dense FFN: router, permutation, grouped GEMMs, the way to the experts
// and back (models/expert_exchange.hpp). Shared experts are a dense FFN, priced with the rest of the layer.
#include <algorithm>

#include "models/layer_costs.hpp"

namespace dflop {
namespace {

// Bytes per logit of the router: 2 read, 4 written as an fp32 probability, 4 read again to choose the top k; backward
// probability and gradient read, 4 each, and 2 written.
constexpr double kRouterForward = 10, kRouterBackward = 10;
// Elements per row of hidden values. Permuting reads a token and writes it once for every expert it goes to;
// un-permuting reads these and writes their sum; the backward of each is the other. Ranks with several experts sort
// what has come by expert and back: read and written. The router's weights are applied where the activation is.
constexpr double kSort = 2;
constexpr double kExpertActivationForward = 2, kExpertActivationBackward = 3;  // as in a dense layer, layer_costs.cpp
constexpr double kGatedExpertForward = 3, kGatedExpertBackward = 5;
constexpr double kUnfusedGatedExpertForward = 5, kUnfusedGatedExpertBackward = 9;
// Kernels that an eager framework launches beside the dense layer's, the experts' GEMMs grouped; an assumption, as in
// layer_costs.cpp.
constexpr double kExpertKernelShare = 0.5;

}  // namespace

int LayerCosts::Kernels(int of_dense_layer) const {
  return kind_.traits.experts ? of_dense_layer + static_cast<int>(of_dense_layer * kExpertKernelShare) : of_dense_layer;
}

void LayerCosts::Experts(OperationSum& sum, Pass pass) const {
  ExpertGemms(sum, pass, false);
  sum.Move(ExpertBytes(pass == Pass::kForward));
  const Mesh mesh = ExpertMesh();
  sum.Exchange(ExchangeTime(place_.node, mesh, ExchangeOf(shape_, mesh, tokens_)));
}

void LayerCosts::ExpertGemms(OperationSum& sum, Pass pass, bool adapters_only) const {
  const ExpertLoad load = LoadOfExperts(shape_.experts, ExpertMesh(), tokens_);
  if (!adapters_only) sum.Gemm(load.held_tokens, shape_.experts.count, shape_.hidden, pass);
  if (load.busiest == load.other) return OneExpert(sum, load.busiest, load.experts, pass, adapters_only);
  OneExpert(sum, load.busiest, 1, pass, adapters_only);
  OneExpert(sum, load.other, load.experts - 1, pass, adapters_only);
}

/// A grouped GEMM lasts as long as the GEMMs of its experts one after the other, each at what so few rows cost. Of
/// experts with less than a row on average only a part runs at all.
void LayerCosts::OneExpert(OperationSum& sum, double rows, double times, Pass pass, bool adapters_only) const {
  if (rows <= 0 || times <= 0) return;
  const FfnWidths ffn(shape_.experts.ffn_hidden, place_.etp, shape_.gated_ffn);
  const double m = std::max(rows, 1.0);
  const double run = times * std::min(rows, 1.0);
  if (!adapters_only) {
    sum.Linear(m, ffn.up, shape_.hidden, pass, run);
    sum.Linear(m, shape_.hidden, ffn.inner, pass, run);
  }
  if (!shape_.lora.empty()) AdapterGemms(sum, FfnAdapters(shape_, ffn.inner), m, run, pass);
}

/// Of the router and of the experts that a rank holds.
double LayerCosts::ExpertWeights() const {
  const FfnWidths ffn(shape_.experts.ffn_hidden, place_.etp, shape_.gated_ffn);
  const double held = static_cast<double>(shape_.experts.count) / place_.ep;
  return shape_.hidden * (shape_.experts.count + held * (ffn.up + ffn.inner));
}

double LayerCosts::ExpertBytes(bool forward) const {
  const ExpertLoad load = LoadOfExperts(shape_.experts, ExpertMesh(), tokens_);
  const FfnWidths ffn(shape_.experts.ffn_hidden, place_.etp, shape_.gated_ffn);
  const double router = load.held_tokens * shape_.experts.count * (forward ? kRouterForward : kRouterBackward);
  double rows = 2 * (load.held_tokens + load.sent_rows);
  if (place_.ep > 1 && load.experts > 1) rows += 2 * kSort * load.rows();
  const bool fused = place_.software.fused_activation;
  const double gated = forward ? (fused ? kGatedExpertForward : kUnfusedGatedExpertForward)
                               : (fused ? kGatedExpertBackward : kUnfusedGatedExpertBackward);
  const double activation = shape_.gated_ffn ? gated : (forward ? kExpertActivationForward : kExpertActivationBackward);
  return router + (rows * shape_.hidden + load.rows() * ffn.inner * activation) * kElementBytes;
}

}  // namespace dflop
