// One way is priced once: there and back move the same bytes.
#include "models/expert_exchange.hpp"

#include <algorithm>

#include "models/network/span_collectives.hpp"
#include "models/operation_sum.hpp"

namespace dflop {

ExpertLoad LoadOfExperts(const ExpertSpec& experts, const Mesh& mesh, double tokens) {
  ExpertLoad load;
  load.held_tokens = tokens / mesh.tp;
  const double capacity = experts.capacity_factor > 0 ? experts.capacity_factor : 1;
  load.sent_rows = load.held_tokens * experts.top_k * capacity;
  load.experts = static_cast<double>(experts.count) / mesh.ep;
  const double mean = load.sent_rows * mesh.ep * mesh.etp / experts.count;
  const bool even = experts.capacity_factor > 0 || experts.imbalance <= 1;
  load.busiest = even ? mean : mean * experts.imbalance;
  load.other = even ? mean : mean * (experts.count - experts.imbalance) / (experts.count - 1);
  return load;
}

ExpertExchange ExchangeOf(const TransformerShape& shape, const Mesh& mesh, double tokens) {
  const ExpertLoad load = LoadOfExperts(shape.experts, mesh, tokens);
  const double row = shape.hidden * kElementBytes;
  const double others = (mesh.ep - 1.0) / mesh.ep;
  ExpertExchange exchange;
  exchange.sent = Bytes(load.sent_rows * row * others);
  exchange.exchanged = Bytes(load.rows() / mesh.etp * row);
  exchange.received = exchange.exchanged * others;
  exchange.gathered = Bytes(mesh.etp > 1 ? load.rows() * row : 0);
  return exchange;
}

Seconds ExchangeTime(const NodeSpec& node, const Mesh& mesh, const ExpertExchange& exchange) {
  const Span over_ep = SpanOf(node, mesh.ep, mesh.etp);
  const Span over_etp = SpanOf(node, mesh.etp, 1);
  return 2 * SpanCollective(node, CollectiveOp::kAllToAll, over_ep, exchange.exchanged).time +
         SpanCollective(node, CollectiveOp::kAllGather, over_etp, exchange.gathered).time +
         SpanCollective(node, CollectiveOp::kReduceScatter, over_etp, exchange.gathered).time;
}

}  // namespace dflop
