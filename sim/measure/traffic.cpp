// Bytes are gathered by way first: messages of all microbatches go the same few ways.
#include "sim/measure/traffic.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/index.hpp"
#include "sim/measure/member_flows.hpp"

namespace dflop {
namespace {

constexpr std::array<const char*, 4> kLinkNames = {"nvlink", "pcie", "nic", "fabric"};
constexpr std::array<const char*, 4> kKindNames = {"encoder_llm", "stage", "gradients", "parameters"};
constexpr std::size_t kMostLinks = 5;

class TrafficCount {
 public:
  TrafficCount(const Job& job, const Step& step) : job_(job), cluster_(job.cost.cluster()), members_(job, step) {
    std::map<std::pair<TrafficKind, std::int64_t>, Moved> ways;
    for (const Operation& operation : step.graph.operations) {
      if (operation.communication < 0) continue;
      const Way way = step.graph.communications.way(operation.communication);
      Moved& moved = ways[{KindOf(operation), way.first}];
      moved.way = way;
      moved.factor += step.graph.communications.factor(operation.communication);
      moved.operation = &operation;
    }
    for (const auto& [key, moved] : ways) Add(key.first, moved);
  }

  StepTraffic Traffic() {
    std::vector<std::pair<double, std::int64_t>> order;
    for (const auto& [id, link] : links_) order.emplace_back(-link.busy().value(), id);
    std::sort(order.begin(), order.end());
    std::set<std::pair<double, double>> seen;  // rate and bytes: rings load all alike
    for (const auto& [busy, id] : order) {
      LinkTraffic& link = links_.at(id);
      if (traffic_.busiest.size() == kMostLinks) break;
      if (!seen.emplace(link.rate.value(), link.bytes.value()).second) continue;
      link.name = NameOf(id);
      traffic_.busiest.push_back(link);
    }
    return std::move(traffic_);
  }

 private:
  struct Moved {
    Way way;
    double factor = 0;
    const Operation* operation = nullptr;  ///< one of those that go this way
  };

  TrafficKind KindOf(const Operation& operation) const {
    if (operation.kind == OpKind::kGradientReduction) return TrafficKind::kGradients;
    if (operation.kind == OpKind::kParameterGather) return TrafficKind::kParameters;
    const auto pipeline = [&](int stage) {
      return job_.layout.pipelines[Index(job_.layout.stages[Index(stage)].parts.front().module)];
    };
    const bool joins = operation.of_all_replicas || pipeline(operation.stage) != pipeline(operation.to_stage);
    return joins ? TrafficKind::kEncoderLlm : TrafficKind::kStage;
  }
  void Add(TrafficKind kind, const Moved& moved) {
    members_.ForEach(*moved.operation, moved.way, [&](int source, int target, const Flow& flow, int, int times) {
      const Bytes bytes = flow.bytes * moved.factor;
      std::array<bool, 4> passed{};
      ForEachLink(cluster_, source, target, [&](const RouteLink& link) {
        passed[static_cast<std::size_t>(link.of)] = true;
        LinkTraffic& carried = links_[link.id];
        carried.rate = link.rate;
        carried.bytes += bytes;
      });
      for (std::size_t of = 0; of < passed.size(); ++of) {
        if (passed[of]) traffic_.bytes[of][static_cast<std::size_t>(kind)] += bytes * times;
      }
    });
  }

  std::string NameOf(std::int64_t id) const {
    const LinkNumbers number(cluster_);
    const std::int64_t fabric = number.first_of_fabric();
    if (id >= fabric) return cluster_.fabric()->NameOf(id - fabric);
    const std::string direction = id % 2 == 0 ? " out" : " in";
    if (id >= number.Nic(0, LinkNumbers::kOut)) {
      return "NIC " + std::to_string((id - number.Nic(0, LinkNumbers::kOut)) / 2) + direction;
    }
    if (id >= number.Pcie(0, LinkNumbers::kOut)) {
      return "PCIe of GPU " + std::to_string((id - number.Pcie(0, LinkNumbers::kOut)) / 2) + direction;
    }
    return "NVLink of GPU " + std::to_string(id / 2) + direction;
  }

  const Job& job_;
  const ClusterSpec& cluster_;
  MemberFlows members_;
  StepTraffic traffic_;
  std::unordered_map<std::int64_t, LinkTraffic> links_;
};

}  // namespace

StepTraffic TrafficOf(const Job& job, const Step& step) { return TrafficCount(job, step).Traffic(); }

Json ToJson(const StepTraffic& traffic) {
  Json json;
  json["by_link"] = Json::EmptyArray();
  for (std::size_t of = 0; of < kLinkNames.size(); ++of) {
    for (std::size_t kind = 0; kind < kKindNames.size(); ++kind) {
      if (traffic.bytes[of][kind] <= Bytes(0)) continue;
      Json entry;
      entry["link"] = kLinkNames[of];
      entry["kind"] = kKindNames[kind];
      entry["bytes"] = traffic.bytes[of][kind].value();
      json["by_link"].push_back(std::move(entry));
    }
  }
  json["busiest_links"] = Json::EmptyArray();
  for (const LinkTraffic& link : traffic.busiest) {
    Json entry;
    entry["link"] = link.name;
    entry["bytes"] = link.bytes.value();
    entry["bytes_per_s"] = link.rate.value();
    entry["busy_s"] = link.busy().value();
    json["busiest_links"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace dflop
