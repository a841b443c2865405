// Candidates are tried one after the other; each says its time and what it moves.
#include "models/network/collective_law.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "models/network/limits.hpp"

namespace dflop {
namespace {

// LL carries four bytes of data and four of flags in a word, one warp at a time: what measured small messages reach.
constexpr double kLlOnNvLink = 0.04;
constexpr double kLlOnNics = 0.1;

constexpr std::array<std::pair<CollectiveOp, const char*>, 6> kNames = {
    {{CollectiveOp::kAllReduce, "all-reduce"},
     {CollectiveOp::kReduceScatter, "reduce-scatter"},
     {CollectiveOp::kAllGather, "all-gather"},
     {CollectiveOp::kAllToAll, "all-to-all"},
     {CollectiveOp::kSend, "send"},
     {CollectiveOp::kBroadcast, "broadcast"}}};

/// What one algorithm makes of a collective.
struct Steps {
  double nvlink = 0;
  double nic = 0;
  Seconds nvlink_time{0};  ///< of its bytes at the full rate
  Seconds nic_time{0};
  Seconds copy{0};  ///< of its own share, beside NVLink's time
};

class Choice {
 public:
  Choice(const CollectiveLaw& law, const RingWork& work) : law_(law), work_(work) {
    best_.time = Seconds(std::numeric_limits<double>::infinity());
  }

  void Ring() {
    const double steps = RingSteps(work_.op, work_.ranks);
    const double between = work_.ranks > 1 ? steps * (work_.domains - 1) / (work_.ranks - 1) : 0;
    Protocols({steps - between, between, work_.nvlink, work_.nic, Copy()}, {"ring LL", "ring LL128", "ring Simple"}, 1,
              1);
  }

  /// Along the ranks of a domain, up and down a binary tree of domains; two trees share the bytes, so that every domain
  /// sends what it reduces once up and once down (two domains: half of that each).
  void Tree() {
    if (work_.op != CollectiveOp::kAllReduce || work_.domains < 2) return;
    const double ring = SentShare(work_.op, work_.ranks);
    const double nic_share = (work_.domains == 2 ? 1.0 : 2.0) / ring;
    const Inside inside = InsideDomains();
    const Steps tree{2 * (inside.ranks - 1), 2 * std::ceil(std::log2(work_.domains)), inside.time,
                     work_.nic * nic_share, inside.copy};
    Protocols(tree, {"tree LL", "tree LL128", "tree Simple"}, inside.share, nic_share);
  }

  /// The network's switches reduce (NCCL's CollNet over SHARP; Graham et al., "Scalable Hierarchical Aggregation
  /// Protocol (SHARP)", COM-HPC 2016): the ranks of a domain reduce their shares among each other, each share goes up
  /// through the switches once and comes down as the sum, and is gathered. A NIC sends bytes / ranks of its domain,
  /// however many domains there are, in whole chunks (Simple). One hop up and one down: what a tree of more levels adds
  /// is in the hop. Nothing that we have was measured on such a network.
  void NetworkSwitches() {
    if (!work_.in_switch || work_.op != CollectiveOp::kAllReduce || work_.domains < 2) return;
    const Inside inside = InsideDomains();
    const double nic_share = 1 / SentShare(work_.op, work_.ranks);
    const double steps = inside.ranks > 1 ? 2 : 0;
    Take(Simple({steps, 2, inside.time, work_.nic * nic_share, inside.copy}),
         inside.in_switch ? "NVLS and SHARP" : "SHARP", inside.share, nic_share);
  }

  /// NVLink's switches reduce: a rank sends its bytes once and receives the sum once (NVLS, from Hopper on).
  void NvLinkSwitch() {
    if (work_.op != CollectiveOp::kAllReduce || work_.domains > 1 || work_.ranks < 3) return;
    const Seconds bytes = InSwitch(work_.ranks);
    if (bytes >= Seconds(std::numeric_limits<double>::infinity())) return;
    const double share = work_.nvlink > Seconds(0) ? std::min(1.0, bytes / work_.nvlink) : 1;
    Take(law_.launch + law_.nvls + bytes, "NVLS", share, 1);
  }

  void Pairwise() {
    const Seconds hop = Hop();
    const double rounds = 1 + std::log2(static_cast<double>(work_.ranks));
    const Seconds ll = std::max(work_.nvlink / kLlOnNvLink, work_.nic / kLlOnNics);
    if (law_.fitted) Take(law_.launch + rounds * hop + ll, "pairwise LL", 1, 1);
    const Seconds bytes = std::max(work_.nvlink / law_.pair_efficiency + Copy(), work_.nic);
    Take(law_.launch + Pair() + bytes, "pairwise", 1, 1);
  }

  void Message() {
    const Seconds bytes = std::max(work_.nvlink, work_.nic);
    const Seconds ll = std::max(work_.nvlink / kLlOnNvLink, work_.nic / kLlOnNics);
    if (law_.fitted) Take(law_.launch + Hop() + ll, "message LL", 1, 1);
    Take(law_.launch + Pair() + bytes, "message", 1, 1);
  }

  const CollectivePrice& best() const { return best_; }

 private:
  /// What trees of domains do in each: its ranks reduce to one and get the sum back, along a chain or in NVLink's
  /// switch, whichever is quicker.
  struct Inside {
    double ranks = 1;
    double share = 0;  ///< of what the ring moves over NVLink
    Seconds time{0};
    Seconds copy{0};
    bool in_switch = false;
  };
  Inside InsideDomains() const {
    Inside inside;
    inside.ranks = static_cast<double>(work_.ranks) / work_.domains;
    inside.share = inside.ranks > 1 ? 2.0 / SentShare(work_.op, work_.ranks) : 0;
    inside.time = work_.nvlink * inside.share;
    inside.copy = Copy();
    if (const Seconds reduced = InSwitch(inside.ranks); inside.ranks > 2 && reduced < inside.time + inside.copy) {
      inside.share = std::min(inside.share, reduced / work_.nvlink);
      inside.time = reduced;
      inside.copy = Seconds(0);
      inside.in_switch = true;
    }
    return inside;
  }

  Seconds Hop() const { return work_.domains > 1 ? work_.nic_hop : work_.nvlink_hop; }
  Seconds Pair() const {
    if (work_.domains > 1) return work_.nic_hop;
    return law_.pair < Seconds(0) ? work_.nvlink_hop : law_.pair;
  }
  Seconds Copy() const {
    if (law_.copy <= BytesPerSecond(0)) return Seconds(0);
    return work_.bytes / static_cast<double>(work_.ranks) / law_.copy;
  }
  Seconds InSwitch(double ranks) const {
    if (law_.nvls_efficiency <= 0) return Seconds(std::numeric_limits<double>::infinity());
    return work_.bytes * (1 + 1 / ranks) / (work_.nvlink_nominal * law_.nvls_efficiency);
  }

  void Protocols(const Steps& steps, const std::array<std::string_view, 3>& names, double nvlink_share,
                 double nic_share) {
    const Seconds quick = steps.nvlink * work_.nvlink_hop + steps.nic * work_.nic_hop;
    if (law_.fitted) {
      const Seconds ll = std::max(steps.nvlink_time / kLlOnNvLink, steps.nic_time / kLlOnNics);
      const Seconds ll128 = std::max(steps.nvlink_time / law_.ll128_efficiency + steps.copy,
                                     steps.nic_time / work_.nic_ramp.ll128_efficiency);
      Take(law_.launch + quick + ll, names[0], nvlink_share, nic_share);
      Take(law_.launch + law_.ll128 + quick + ll128, names[1], nvlink_share, nic_share);
    }
    Take(Simple(steps), names[2], nvlink_share, nic_share);
  }

  Seconds Simple(const Steps& steps) const {
    const Seconds step = law_.simple_step < Seconds(0) ? work_.nvlink_hop : law_.simple_step;
    const Seconds between = steps.nic * work_.nic_ramp.simple_hops * work_.nic_hop;
    return law_.launch + law_.simple + steps.nvlink * step + between +
           std::max(steps.nvlink_time + steps.copy, steps.nic_time);
  }

  void Take(Seconds time, std::string_view name, double nvlink_share, double nic_share) {
    if (time < best_.time) best_ = {time, name, nvlink_share, nic_share};
  }

  const CollectiveLaw& law_;
  const RingWork& work_;
  CollectivePrice best_;
};

}  // namespace

CollectivePrice PriceCollective(const CollectiveLaw& law, const RingWork& work) {
  if (work.ranks < 2) return {};
  Choice choice(law, work);
  if (work.op == CollectiveOp::kSend) {
    choice.Message();
  } else if (work.op == CollectiveOp::kAllToAll) {
    choice.Pairwise();
  } else {
    choice.Ring();
    if (law.fitted) choice.Tree();
    choice.NvLinkSwitch();
    choice.NetworkSwitches();
  }
  return choice.best();
}

double RingSteps(CollectiveOp op, int ranks) {
  if (op == CollectiveOp::kSend || op == CollectiveOp::kAllToAll) return 1;
  return (op == CollectiveOp::kAllReduce ? 2.0 : 1.0) * (ranks - 1);
}

double SentShare(CollectiveOp op, int ranks) {
  if (op == CollectiveOp::kSend || op == CollectiveOp::kBroadcast) return 1;
  return (op == CollectiveOp::kAllReduce ? 2.0 : 1.0) * (ranks - 1) / ranks;
}

const char* NameOf(CollectiveOp op) {
  return std::find_if(kNames.begin(), kNames.end(), [&](const auto& entry) { return entry.first == op; })->second;
}

CollectiveOp ReadCollectiveOp(const JsonReader& json) {
  std::vector<std::string> names;
  names.reserve(kNames.size());
  for (const auto& [op, name] : kNames) names.emplace_back(name);
  const std::string wanted = json.OneOf(names);
  return std::find_if(kNames.begin(), kNames.end(), [&](const auto& entry) { return wanted == entry.second; })->first;
}

CollectiveLaw ReadCollectiveLaw(const JsonReader& json) {
  json.AllowOnly({"launch_s", "ll128_s", "ll128_efficiency", "simple_s", "simple_step_s", "copy_bytes_per_s", "pair_s",
                  "pair_efficiency", "nvls_s", "nvls_efficiency"});
  const auto seconds = [&](const char* key) { return Seconds(json.At(key).Number(0, kMaxLatency)); };
  CollectiveLaw law;
  law.fitted = true;
  law.launch = seconds("launch_s");
  law.ll128 = seconds("ll128_s");
  law.ll128_efficiency = json.At("ll128_efficiency").Number(0.001, 1);
  law.simple = seconds("simple_s");
  law.simple_step = seconds("simple_step_s");
  law.copy = BytesPerSecond(json.At("copy_bytes_per_s").Number(1, kMaxRate));
  law.pair = seconds("pair_s");
  law.pair_efficiency = json.At("pair_efficiency").Number(0.001, 1);
  law.nvls = Seconds(json.NumberOr("nvls_s", 0, 0, kMaxLatency));
  law.nvls_efficiency = json.NumberOr("nvls_efficiency", 0, 0.001, 1);
  return law;
}

Json ToJson(const CollectiveLaw& law) {
  Json json;
  json["launch_s"] = law.launch.value();
  json["ll128_s"] = law.ll128.value();
  json["ll128_efficiency"] = law.ll128_efficiency;
  json["simple_s"] = law.simple.value();
  json["simple_step_s"] = law.simple_step.value();
  json["copy_bytes_per_s"] = law.copy.value();
  json["pair_s"] = law.pair.value();
  json["pair_efficiency"] = law.pair_efficiency;
  if (law.nvls_efficiency > 0) {
    json["nvls_s"] = law.nvls.value();
    json["nvls_efficiency"] = law.nvls_efficiency;
  }
  return json;
}

}  // namespace dflop
