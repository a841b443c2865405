// NICs that carry the same messages are looked at once: most of a tensor-parallel group's do.
#include "sim/measure/contention.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/index.hpp"
#include "models/network/route.hpp"
#include "sim/measure/member_flows.hpp"

namespace dflop {
namespace {

using Interval = std::pair<double, double>;

class NicTimes {
  using Sender = std::pair<std::int32_t, int>;  ///< what goes one way, and of which replica that another stands for

  struct NicSenders {
    std::vector<Sender> senders;
    int copies = 1;  ///< NICs like this one
  };

 public:
  NicTimes(const Job& job, const Step& step) : step_(step), cluster_(job.cost.cluster()), members_(job, step) {
    if (cluster_.nodes() == 1) return;
    for (std::size_t i = 0; i < step.graph.operations.size(); ++i) Add(i);
  }

  double Meetings() {
    std::map<std::vector<std::int32_t>, double> alike;  // how many NICs carry a set of traffics
    for (auto& [nic, entry] : senders_of_nic_) {
      auto& [senders, copies] = entry;
      std::sort(senders.begin(), senders.end());
      senders.erase(std::unique(senders.begin(), senders.end()), senders.end());
      std::vector<std::int32_t> traffics;
      traffics.reserve(senders.size());
      for (const Sender& sender : senders) traffics.push_back(sender.first);
      alike[traffics] += copies;
    }
    double busy = 0;
    double meeting = 0;
    for (const auto& [traffics, nics] : alike) {
      const auto [one_busy, one_meeting] = BusyAndMeeting(traffics);
      busy += nics * one_busy;
      meeting += nics * one_meeting;
    }
    return busy > 0 ? meeting / busy : 0;
  }

 private:
  void Add(std::size_t i) {
    const Operation& operation = step_.graph.operations[i];
    if (operation.communication < 0 || step_.times.end[i] <= step_.times.start[i]) return;
    const Way way = step_.graph.communications.way(operation.communication);
    const auto [entry, is_new] = traffic_of_way_.try_emplace(way.first, static_cast<std::int32_t>(traffics_.size()));
    if (is_new) {
      traffics_.emplace_back();
      const std::int32_t traffic = entry->second;
      members_.ForEach(operation, way, [&](int source, int target, const Flow&, int replica, int) {
        PlaceFlow(source, target, {traffic, replica});
      });
    }
    traffics_[Index(entry->second)].emplace_back(step_.times.start[i].value(), step_.times.end[i].value());
  }

  void PlaceFlow(int source, int target, Sender sender) {
    if (source == target || cluster_.same_domain(source, target) || cluster_.same_node(source, target)) return;
    const LinkNumbers number(cluster_);
    const auto place = [&](int gpu, LinkNumbers::Direction direction) {
      const int copies = members_.CopiesOf(gpu);
      if (copies == 0) return;
      NicSenders& nic = senders_of_nic_[number.Nic(cluster_.nic_number(gpu), direction)];
      nic.copies = copies;
      nic.senders.push_back(sender);
    };
    place(source, LinkNumbers::kOut);
    place(target, LinkNumbers::kIn);
  }

  std::pair<double, double> BusyAndMeeting(const std::vector<std::int32_t>& traffics) const {
    std::vector<Interval> all;
    for (const std::int32_t traffic : traffics) {
      const std::vector<Interval>& one = traffics_[Index(traffic)];
      all.insert(all.end(), one.begin(), one.end());
    }
    std::sort(all.begin(), all.end());
    double busy = 0, meeting = 0;
    double covered = 0, twice = 0;  // up to where time is covered by one, by two
    for (const auto& [start, end] : all) {
      const double again = std::min(covered, end);  // from start to here somebody else is there
      const double from = std::max(start, twice);
      if (again > from) {
        meeting += again - from;
        twice = again;
      }
      if (end > covered) {
        busy += end - std::max(start, covered);
        covered = end;
      }
    }
    return {busy, meeting};
  }

  const Step& step_;
  const ClusterSpec& cluster_;
  MemberFlows members_;
  /// [what goes one way]: when each of its messages is under way.
  std::vector<std::vector<Interval>> traffics_;
  std::unordered_map<std::int64_t, std::int32_t> traffic_of_way_;  ///< by the way's first flow
  std::unordered_map<std::int64_t, NicSenders> senders_of_nic_;
};

}  // namespace

double NicMeetings(const Job& job, const Step& step) { return NicTimes(job, step).Meetings(); }

}  // namespace dflop
