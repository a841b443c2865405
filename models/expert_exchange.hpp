// Which tokens reach which experts, and what their way there and back moves.
//
// An expert group is ep · etp consecutive ranks of tp · cp · dp (MoE Parallel Folding, arXiv 2504.14960): etp adjacent
// ranks share each expert, ep such sets have count / ep experts each. Every rank sends the tokens that it holds: 1/tp
// of its tensor-parallel group's. With sequence parallelism that is what it has; without, all ranks of the group have
// all tokens, each takes its share, and the results are gathered behind the experts. Other replicas of the group are
// taken to hold as many tokens as this one.
//
// There: permute, all-to-all over ep, all-gather over etp. Back: reduce-scatter over etp, all-to-all, un-permute. The
// backward goes both ways again.
#pragma once

#include "models/cost_model.hpp"

namespace dflop {

/// Rows (a token once for every expert that it visits) of one layer and microbatch.
struct ExpertLoad {
  double held_tokens = 0;  ///< of one rank, before they are sent
  double sent_rows = 0;    ///< held_tokens · top_k; a capacity pads or cuts that by its factor
  double experts = 0;      ///< on one rank: count / ep
  double busiest = 0;      ///< rows of the busiest expert
  double other = 0;        ///< rows of every other expert of the rank that has the busiest

  /// What that rank's experts process.
  double rows() const { return busiest + (experts - 1) * other; }
};

/// `tokens`: of one tensor-parallel group (a context-parallel rank's share, where there is one). Balanced, an expert
/// gets held · top_k · ep · etp / count rows; the busiest `imbalance` times that, and the others share the rest evenly.
/// With a capacity every expert processes capacity_factor times the mean, padding included, whatever the imbalance.
ExpertLoad LoadOfExperts(const ExpertSpec& experts, const Mesh& mesh, double tokens);

/// Bytes of one way, there or back. Zero where every rank has all experts whole.
struct ExpertExchange {
  Bytes sent{0};  ///< by a rank to the ep − 1 others: held · top_k · hidden · 2 · (ep − 1)/ep, capacity applied
  Bytes received{0};   ///< by the rank with the busiest expert, from the others
  Bytes exchanged{0};  ///< of the all-to-all at that rank, its own share included, as nccl-tests counts
  Bytes gathered{0};   ///< of the all-gather over etp there, or the reduce-scatter back; whole, as nccl-tests counts
};
ExpertExchange ExchangeOf(const TransformerShape& shape, const Mesh& mesh, double tokens);

/// There and back, of one layer in one direction (forward or backward). Groups that outgrow an NVLink domain go over
/// NICs, all groups of a node at once; `mesh` says where ranks lie, beginning at a domain's first GPU. A fabric between
/// nodes is taken to be full.
Seconds ExchangeTime(const NodeSpec& node, const Mesh& mesh, const ExpertExchange& exchange);

}  // namespace dflop
