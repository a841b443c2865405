// between_nodes REFERENCE_DATA_FOLDER: collectives over several nodes against measured ones. Every source is a cluster
// of a built-in node kind whose NICs' rate and hop are fitted to what is not scored: its messages from node to node, or
// its three largest sizes (the rate) and those below 1 MiB (the hop). A second table gives sources over EFA the ramp
// (NicRamp) that another source's sizes in between tell, so that again nothing is scored that was fitted to.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "base/error.hpp"
#include "base/statistics.hpp"
#include "models/calibration/reference_collectives.hpp"
#include "sim/build/lone_collective.hpp"

namespace dflop {
namespace {

using Rows = std::vector<MeasuredCollective>;

constexpr Bytes kLarge{1048576};
constexpr double kScale = 0.1;     ///< of log ratios, where the loss turns from square to absolute
constexpr int kValues = 400;       ///< of a rate or a hop that are tried
constexpr int kQuickValues = 100;  ///< the same where ramps are compared
constexpr int kRounds = 3;
constexpr std::size_t kLargestSizes = 3;

struct Nics {
  double rate = 25e9;  ///< bytes/s
  double hop = 30e-6;  ///< s
  NicRamp ramp{};
};

ClusterSpec ClusterOf(const std::string& kind) {
  const Json json = kind == "A100" ? "dgx-a100" : kind == "H100" ? "dgx-h100" : "dgx-b200";
  return ReadCluster({json, "built-in"});
}

Seconds TimeWith(ClusterSpec& cluster, const Nics& nics, const MeasuredCollective& row) {
  NodeSpec& node = cluster.only_node();
  node.nic_bandwidth = BytesPerSecond(nics.rate);
  node.nic_efficiency = 1;
  node.nic_latency = Seconds(nics.hop);
  node.nic_ramp = nics.ramp;
  return TimeOf(cluster, {row.op, row.ranks, row.ranks_per_node, row.bytes}).time;
}

double Loss(ClusterSpec& cluster, const Nics& nics, const Rows& rows) {
  double loss = 0;
  for (const MeasuredCollective& row : rows) {
    loss += std::sqrt(1 + std::pow(std::log(TimeWith(cluster, nics, row) / row.time) / kScale, 2)) - 1;
  }
  return loss;
}

/// The least of values evenly spaced in logarithms: where NVLink binds, more of a rate changes nothing, and a search
/// that steps too far would stay there.
double FitOne(ClusterSpec& cluster, Nics nics, double Nics::*which, std::pair<double, double> range, const Rows& rows,
              int values = kValues) {
  if (rows.empty()) return nics.*which;
  double best = nics.*which;
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i <= values; ++i) {
    nics.*which = range.first * std::pow(range.second / range.first, static_cast<double>(i) / values);
    const double loss = Loss(cluster, nics, rows);
    if (loss < least) {
      least = loss;
      best = nics.*which;
    }
  }
  return best;
}

constexpr std::pair<double, double> kHops = {1e-6, 300e-6};

/// Messages tell both: the large ones the rate, the small ones the hop.
struct FittedTo {
  Rows rate;
  Rows hop;
};

Nics FitNics(ClusterSpec& cluster, const FittedTo& rows, double hop, const NicRamp& ramp = {}) {
  Nics nics;
  nics.hop = hop;
  nics.ramp = ramp;
  for (int round = 0; round < kRounds; ++round) {
    nics.rate = FitOne(cluster, nics, &Nics::rate, {0.5e9, 150e9}, rows.rate);
    nics.hop = FitOne(cluster, nics, &Nics::hop, kHops, rows.hop);
  }
  return nics;
}

bool ByBytes(const MeasuredCollective& a, const MeasuredCollective& b) { return a.bytes < b.bytes; }

/// What is left is scored.
FittedTo TakeFitted(Rows& rows, bool by_messages) {
  FittedTo fitted;
  std::stable_sort(rows.begin(), rows.end(), ByBytes);
  Rows scored;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const MeasuredCollective& row = rows[i];
    const bool message = row.op == CollectiveOp::kSend;
    const bool for_rate =
        by_messages ? message && !row.held_size && row.bytes >= kLarge : i + kLargestSizes >= rows.size();
    const bool for_hop = row.bytes < kLarge && (!by_messages || (message && !row.held_size));
    if (for_rate) fitted.rate.push_back(row);
    if (for_hop) fitted.hop.push_back(row);
    if (!for_rate && row.bytes >= kLarge && (!message || row.held_size)) scored.push_back(row);
  }
  rows = std::move(scored);
  return fitted;
}

void PrintLine(const std::string& name, const Nics& nics, ClusterSpec& cluster, const Rows& rows) {
  std::vector<double> errors;
  std::vector<double> ratios;
  for (const MeasuredCollective& row : rows) {
    ratios.push_back(TimeWith(cluster, nics, row) / row.time);
    errors.push_back(100 * std::abs(ratios.back() - 1));
  }
  if (errors.empty()) return;
  std::printf("| %s | %.1f | %.1f | %d | %zu | %.1f | %.1f | %.2f |\n", name.c_str(), nics.rate / 1e9, nics.hop * 1e6,
              cluster.only_node().nics, errors.size(), Quantile(errors, 0.5), Quantile(errors, 0.9),
              Quantile(ratios, 0.5));
}

/// NICs of a node are not known where they are rented or old: as many as tell the three largest sizes of the widest
/// placement, which are not scored.
void ChooseNics(ClusterSpec& cluster, const Nics& nics, Rows& rows) {
  const auto widest =
      std::max_element(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.ranks < b.ranks; });
  if (widest == rows.end() || widest->op == CollectiveOp::kSend) return;
  const int ranks = widest->ranks;
  Rows largest;
  for (std::size_t i = rows.size(); i-- > 0 && largest.size() < kLargestSizes;) {
    if (rows[i].ranks != ranks) continue;
    largest.push_back(rows[i]);
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(i));
  }
  const auto loss = [&](int count) {
    cluster.only_node().nics = count;
    return Loss(cluster, nics, largest);
  };
  const std::vector<int> counts = {1, 2, 4, 8};
  cluster.only_node().nics =
      *std::min_element(counts.begin(), counts.end(), [&](int a, int b) { return loss(a) < loss(b); });
}

Nics PrintSource(const std::string& name, Rows rows, double hop_if_unknown) {
  const bool by_messages =
      std::any_of(rows.begin(), rows.end(), [](const auto& row) { return row.op == CollectiveOp::kSend; });
  ClusterSpec cluster = ClusterOf(rows.front().kind);
  const auto nodes = [](const MeasuredCollective& row) { return row.ranks / row.ranks_per_node; };
  int most = 0;
  for (const MeasuredCollective& row : rows) most = std::max(most, nodes(row));
  cluster.set_nodes(most);
  const FittedTo fitted = TakeFitted(rows, by_messages);
  const Nics nics = FitNics(cluster, fitted, hop_if_unknown);
  if (by_messages) ChooseNics(cluster, nics, rows);
  PrintLine(name, nics, cluster, rows);
  std::set<std::tuple<CollectiveOp, int, int>> placements;
  for (const MeasuredCollective& row : rows) placements.insert({row.op, row.ranks, row.ranks_per_node});
  if (placements.size() < 2) return nics;
  for (const auto& [op, ranks, per_node] : placements) {
    Rows those;
    for (const MeasuredCollective& row : rows) {
      if (row.op == op && row.ranks == ranks && row.ranks_per_node == per_node) those.push_back(row);
    }
    PrintLine(
        "· " + std::string(NameOf(op)) + " of " + std::to_string(ranks) + ", " + std::to_string(per_node) + " a node",
        nics, cluster, those);
  }
  return nics;
}

/// A source over EFA, all-reduces of one placement.
struct EfaSource {
  std::string name;
  ClusterSpec cluster;
  FittedTo fitted;
  Rows scored;
  Nics nics;  ///< without a ramp
};

EfaSource MakeEfaSource(const std::string& name, Rows rows, double hop_if_unknown) {
  EfaSource source{name, ClusterOf(rows.front().kind), {}, {}, {}};
  source.cluster.set_nodes(rows.front().ranks / rows.front().ranks_per_node);
  source.fitted = TakeFitted(rows, false);
  source.scored = std::move(rows);
  source.nics = FitNics(source.cluster, source.fitted, hop_if_unknown);
  return source;
}

/// The ramp that meets the sizes in between of some sources best, each with a hop of its own.
NicRamp FitRamp(const std::vector<EfaSource*>& sources) {
  NicRamp best;
  double least = std::numeric_limits<double>::infinity();
  for (double hops = 1; hops <= 8; hops += 0.5) {
    for (double efficiency = 0.1; efficiency < 1.01; efficiency += 0.05) {
      double loss = 0;
      for (EfaSource* source : sources) {
        Nics nics = source->nics;
        nics.ramp = {.simple_hops = hops, .ll128_efficiency = efficiency};
        nics.hop = FitOne(source->cluster, nics, &Nics::hop, kHops, source->fitted.hop, kQuickValues);
        loss += Loss(source->cluster, nics, source->scored);
      }
      if (loss < least) {
        least = loss;
        best = {.simple_hops = hops, .ll128_efficiency = efficiency};
      }
    }
  }
  return best;
}

/// Returns the hop.
double PrintWithRamp(EfaSource& source, const NicRamp& ramp, const char* told_by, double hop_if_unknown) {
  std::printf("| %s | %.1f | %.2f ", told_by, ramp.simple_hops, ramp.ll128_efficiency);
  const Nics nics = FitNics(source.cluster, source.fitted, hop_if_unknown, ramp);
  PrintLine(source.name, nics, source.cluster, source.scored);
  return nics.hop;
}

void PrintRamps(const std::map<std::string, Rows>& sources) {
  std::printf(
      "\n| ramp told by | hops a Simple step | LL128 of the rate | source | GB/s a NIC | hop, us | NICs a node | rows "
      "| "
      "median | p90 | predicted / measured |\n|---|---|---|---|---|---|---|---|---|---|---|\n");
  EfaSource p4de = MakeEfaSource("p4de", sources.at("p4de"), Nics().hop);
  EfaSource p5 = MakeEfaSource("p5", sources.at("p5"), Nics().hop);
  EfaSource kubernetes = MakeEfaSource("p5 k8s", sources.at("p5 k8s"), p5.nics.hop);
  EfaSource p6 = MakeEfaSource("4 x p6-b200", sources.at("4 x p6-b200"), Nics().hop);
  const NicRamp by_p5 = FitRamp({&p5});
  const NicRamp by_p4de = FitRamp({&p4de});
  PrintWithRamp(p4de, by_p5, "p5", Nics().hop);
  const double hop = PrintWithRamp(p5, by_p4de, "p4de", Nics().hop);
  PrintWithRamp(kubernetes, by_p4de, "p4de", hop);
  const NicRamp by_both = FitRamp({&p4de, &p5});
  PrintWithRamp(p6, by_both, "p4de and p5", Nics().hop);
  PrintWithRamp(p4de, by_both, "p4de and p5, not held out", Nics().hop);
  PrintWithRamp(p5, by_both, "p4de and p5, not held out", Nics().hop);
  PrintWithRamp(p4de, FitRamp({&p6}), "4 x p6-b200", Nics().hop);
}

void PrintSources(const std::string& folder) {
  std::printf(
      "| source | GB/s a NIC | hop, us | NICs a node | rows | median | p90 | predicted / measured |\n"
      "|---|---|---|---|---|---|---|---|\n");
  std::map<std::string, Rows> sources;
  for (const MeasuredCollective& row : LoadCollectivesBetweenNodes(folder)) sources[row.table].push_back(row);
  std::map<std::string, double> hops;  // by kind: a log without small messages takes that of the one before it
  for (const auto& [name, rows] : sources) {
    const std::string& kind = rows.front().kind;
    const auto known = hops.find(kind);
    hops[kind] = PrintSource(name, rows, known == hops.end() ? Nics().hop : known->second).hop;
  }
  PrintRamps(sources);
}

}  // namespace
}  // namespace dflop

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: between_nodes REFERENCE_DATA_FOLDER\n"), 2;
  try {
    dflop::PrintSources(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
