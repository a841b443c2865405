// From measured collectives of one kind of node to the constants of its law.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/calibration/reference_collectives.hpp"
#include "models/cluster_spec.hpp"

namespace dflop {

/// "A100", "H100", "B200": A100 has no in-switch reduction, H200 shares H100's constants and GB200 B200's.
const std::vector<std::string>& FittedNodeKinds();

enum class LawForm {
  kByAlgorithm,  ///< ten constants, twelve with in-switch reduction
  kPlainRing     ///< a rate and the latency of a hop: what the law has to beat
};

/// Tables of different software differ where messages are small: each may have a least time of its own.
struct NodeFit {
  NodeSpec node;                              ///< rates, latencies and law; nothing else is set
  NodeSpec without_switch;                    ///< the same for sums that switches do not make (int8)
  std::map<std::string, Seconds> least_time;  ///< by table, of what was fitted
};

/// What the fit says about a row.
Seconds Predict(const NodeFit& fit, const MeasuredCollective& row);

/// Minimises the pseudo-Huber loss of log ratios, at a tenth; every table's operation, dtype and ranks weigh the same,
/// sizes below 64 KiB 0.3 as much. Constants are held to where they start by a weak ridge. Rows of other kinds and
/// messages from one GPU to another are passed over: a measured send ends before its bytes are there.
NodeFit FitNodeKind(const std::string& kind, const std::vector<MeasuredCollective>& rows, LawForm form);

/// Relative errors of the rows of at least `smallest`, without sign.
std::vector<double> ErrorsFrom(const std::map<std::string, NodeFit>& fits, const std::vector<MeasuredCollective>& rows,
                               Bytes smallest);

/// The keys that a node of the clusters' data file takes from the fit, to four digits.
Json FittedKeys(const NodeFit& fit);

}  // namespace dflop
