// Flows and latency of every message, by who holds a copy and who wants one.
#include "sim/build/communicator.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/error.hpp"
#include "models/network/node_collectives.hpp"
#include "models/sharding.hpp"
#include "sim/build/collectives.hpp"

namespace dflop {
namespace {

const ModulePart& FirstPart(const Layout& layout, int stage) {
  return layout.stages[static_cast<std::size_t>(stage)].parts.front();
}

/// One at least. What the quotient exceeds a whole number by in its last digits is no bucket.
double WantedBuckets(Bytes gradients, double bucket_bytes) {
  constexpr double kAllButRounding = 1 - 1e-12;
  return std::max(std::ceil(gradients.value() / bucket_bytes * kAllButRounding), 1.0);
}

int GroupSize(const Layout& layout, int stage) { return FirstPart(layout, stage).mesh.tp; }

bool IsLlm(const CostModel& cost, const Layout& layout, int stage) {
  return cost.model().is_llm(FirstPart(layout, stage).module);
}

Sharding LevelOf(const CostModel& cost, const Layout& layout, int stage) {
  return cost.software().sharding_of(IsLlm(cost, layout, stage));
}

int RanksOf(const CostModel& cost, const Layout& layout, int stage) {
  const int copies = layout.copies(FirstPart(layout, stage));
  const Sharding level = LevelOf(cost, layout, stage);
  return level == Sharding::kNone ? copies : ShardRanks(cost.software(), level, copies);
}

}  // namespace

BucketedRing::BucketedRing(const CostModel& cost, const Layout& layout, const std::vector<int>& replicas,
                           double bytes_per_byte, CollectiveOp op, bool in_buckets)
    : groups_(cost.cluster(), layout, replicas, RanksOf(cost, layout, replicas.front())), op_(op) {
  Bytes gradients{0};
  for (const ModulePart& part : layout.stages[static_cast<std::size_t>(replicas.front())].parts) {
    gradients += cost.GradientBytes(part);
  }
  const ModulePart& part = FirstPart(layout, replicas.front());
  if (part.mesh.ep * part.mesh.etp > 1) {
    experts_.emplace(cost.cluster(), layout, replicas);
    expert_bytes_ = cost.ExpertGradientBytes(part) * bytes_per_byte;
  }
  bytes_ = gradients * bytes_per_byte - expert_bytes_;
  const double largest = cost.software().bucket_bytes;
  const double wanted = in_buckets ? WantedBuckets(gradients, largest) : 1;
  const int count = static_cast<int>(std::min<double>(wanted, kMostBuckets));
  const double share = count > 1 ? std::max(largest / gradients.value(), 1.0 / count) : 1.0;
  buckets_.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i + 1 < count; ++i) buckets_.push_back({i * share, (i + 1) * share, share});
  const double begin = (count - 1) * share;
  buckets_.push_back({begin, 1, 1 - begin});
}

BucketedRing BucketedRing::OfGradients(const CostModel& cost, const Layout& layout, const std::vector<int>& replicas) {
  const bool shards = LevelOf(cost, layout, replicas.front()) != Sharding::kNone;
  const CollectiveOp op = shards ? CollectiveOp::kReduceScatter : CollectiveOp::kAllReduce;
  return {cost, layout, replicas, 1, op, cost.software().overlap_gradients};
}

BucketedRing BucketedRing::OfParameters(const CostModel& cost, const Layout& layout, const std::vector<int>& replicas) {
  constexpr double kWeightBytes = 2;
  const SoftwareStack& software = cost.software();
  return {cost,
          layout,
          replicas,
          kWeightBytes / software.gradient_bytes,
          CollectiveOp::kAllGather,
          software.overlap_parameters};
}

std::vector<Communication> BucketedRing::Of(const Bucket& bucket) const {
  std::vector<Communication> all{groups_.Inside(op_, bytes_ * bucket.size)};
  if (op_ == CollectiveOp::kReduceScatter && groups_.several()) all.push_back(groups_.Across(bytes_ * bucket.size));
  if (experts_) all.push_back(experts_->Over(op_, expert_bytes_ * bucket.size));
  return all;
}

Bytes LeastBucket(const CostModel& cost, const Layout& layout) {
  const SoftwareStack& software = cost.software();
  if (!software.overlap_gradients && !(software.shards() && software.overlap_parameters)) return Bytes(0);
  Bytes largest{0};
  for (const Stage& stage : layout.stages) {
    if (layout.copies(stage.parts.front()) == 1) continue;
    Bytes gradients{0};
    for (const ModulePart& part : stage.parts) gradients += cost.GradientBytes(part);
    largest = std::max(largest, gradients);
  }
  return WantedBuckets(largest, software.bucket_bytes) > kMostBuckets ? largest / kMostBuckets : Bytes(0);
}

int EmbeddingStage(const CostModel& cost, const Layout& layout, const std::vector<int>& stages) {
  return *std::find_if(stages.begin(), stages.end(), [&](int s) {
    const ModulePart& part = layout.stages[static_cast<std::size_t>(s)].parts.back();
    return part.has_input && cost.model().is_llm(part.module);
  });
}

Communication TiedEmbeddingReduction(const CostModel& cost, const Layout& layout, int first_stage, int last_stage) {
  if (first_stage == last_stage) return {};
  const ModulePart& head = layout.stages[static_cast<std::size_t>(last_stage)].parts.back();
  const Bytes bytes = cost.TiedGradientBytes(head);
  if (bytes <= Bytes(0)) return {};
  return Collective(cost.cluster(), CollectiveOp::kAllReduce, FirstGpus(layout, {first_stage, last_stage}),
                    GroupSize(layout, last_stage), bytes)
      .communication;
}

TileExchange::TileExchange(const CostModel& cost, const Layout& layout) : cost_(cost) {
  for (std::size_t s = 1; s < layout.stages.size(); ++s) {
    const ModulePart& part = layout.stages[s].parts.front();
    if (!cost.model().is_llm(part.module) || !part.has_input) continue;
    encoders_.push_back(layout.groups[static_cast<std::size_t>(layout.stages[s - 1].group)]);
    llms_.push_back(layout.groups[static_cast<std::size_t>(layout.stages[s].group)]);
  }
}

Communication TileExchange::AllToAll(const StepWork& work, int microbatch, bool backward) const {
  std::vector<std::vector<TileRoute>> routes;
  for (const auto& encoder : work.routes) routes.push_back(encoder[static_cast<std::size_t>(microbatch)]);
  return Along(routes, backward);
}

Communication TileExchange::Own(const StepWork& work, int microbatch, bool backward, int replica) const {
  std::vector<std::vector<TileRoute>> routes;
  for (const auto& encoder : work.routes) {
    auto& own = routes.emplace_back();
    for (const TileRoute& route : encoder[static_cast<std::size_t>(microbatch)]) {
      if (route.from == replica && route.to == replica) own.push_back(route);
    }
  }
  return Along(routes, backward);
}

// Every rank of a receiving group wants all of what reaches its replica, in equal parts that the ranks then gather.
Communication TileExchange::Along(const std::vector<std::vector<TileRoute>>& routes, bool backward) const {
  Communication all;
  std::map<int, Bytes> received;
  for (std::size_t e = 0; e < routes.size(); ++e) {
    for (const TileRoute& route : routes[e]) {
      const DeviceGroup& encoder = encoders_[static_cast<std::size_t>(route.from)];
      const DeviceGroup& llm = llms_[static_cast<std::size_t>(route.to)];
      if (encoder == llm || route.tiles == 0) continue;
      const DeviceGroup& source = backward ? llm : encoder;
      const DeviceGroup& target = backward ? encoder : llm;
      const Bytes bytes = cost_.ProjectedBytes(static_cast<int>(e), static_cast<double>(route.tiles));
      const Communication one =
          GroupTransfer(cost_.cluster(), source.first_gpu, source.size, target.first_gpu, target.size, bytes);
      all.flows.insert(all.flows.end(), one.flows.begin(), one.flows.end());
      all.latency = std::max(all.latency, one.latency);
      received[target.first_gpu] += bytes;
    }
  }
  // Replicas are equally large groups, and where nobody receives anything they wait for each other all the same.
  const auto gather = [&](int gpu, Bytes bytes) {
    return IntraNodeAllGather(cost_.cluster().node_at(gpu), llms_.front().size, bytes);
  };
  Seconds slowest = gather(llms_.front().first_gpu, Bytes(0));
  for (const auto& [gpu, bytes] : received) slowest = std::max(slowest, gather(gpu, bytes));
  all.latency += slowest;
  return all;
}

Communicate::Communicate(const CostModel& cost, const Layout& layout)
    : cost_(cost), hub_(layout.communicator.hub()), outputs_(cost.model().encoders.size()) {
  const auto group_of = [&](int s) {
    return layout.groups[static_cast<std::size_t>(layout.stages[static_cast<std::size_t>(s)].group)];
  };
  for (const Chain& chain : ChainsOf(layout)) {
    if (cost.model().is_llm(chain.module)) {
      llm_inputs_.push_back(group_of(chain.stages.front()));
    } else {
      outputs_[static_cast<std::size_t>(chain.module)].push_back(group_of(chain.stages.back()));
    }
  }
}

Communication Communicate::Messages(std::vector<Flow> flows, bool within_group) const {
  Communication communication;
  const ClusterSpec& cluster = cost_.cluster();
  Seconds handed_on{0};
  for (const Flow& flow : flows) {
    communication.latency = std::max(communication.latency, cluster.latency(flow.source_gpu, flow.target_gpu));
    handed_on = std::max(handed_on, flow.bytes / cluster.intra_rate(flow.target_gpu));
  }
  if (within_group) communication.latency += handed_on;
  communication.flows = std::move(flows);
  return communication;
}

Communication Communicate::Gather(int encoder, Bytes bytes) const {
  if (!hub_) return {};
  const auto& outputs = outputs_[static_cast<std::size_t>(encoder)];
  std::vector<Flow> flows;
  for (std::size_t r = 1; r < outputs.size(); ++r) {
    flows.push_back({outputs[r].first_gpu, outputs[0].first_gpu, bytes / static_cast<double>(outputs.size())});
  }
  return Messages(std::move(flows), false);
}

Communication Communicate::Scatter(int encoder, Bytes bytes) const {
  Communication scatter = Gather(encoder, bytes);
  for (Flow& flow : scatter.flows) std::swap(flow.source_gpu, flow.target_gpu);
  if (outputs_[static_cast<std::size_t>(encoder)].front().size == 1) return scatter;
  Seconds handed_on{0};
  for (const Flow& flow : scatter.flows) {
    handed_on = std::max(handed_on, flow.bytes / cost_.cluster().intra_rate(flow.target_gpu));
  }
  scatter.latency += handed_on;
  return scatter;
}

// Every rank of the target wants the whole tensor, of which the flows bring one copy: over the hub to the first rank,
// which hands it on; directly in equal parts, which the ranks gather.
Communication Communicate::Send(int encoder, int llm_replica, Bytes bytes) const {
  const auto& outputs = outputs_[static_cast<std::size_t>(encoder)];
  const DeviceGroup target = llm_inputs_[static_cast<std::size_t>(llm_replica)];
  if (hub_) return Messages({{outputs[0].first_gpu, target.first_gpu, bytes}}, target.size > 1);
  Communication all = Direct(outputs, target, bytes);
  all.latency += IntraNodeAllGather(cost_.cluster().node_at(target.first_gpu), target.size, bytes);
  return all;
}

Communication Communicate::Return(int encoder, int llm_replica, Bytes bytes) const {
  const auto& outputs = outputs_[static_cast<std::size_t>(encoder)];
  const DeviceGroup source = llm_inputs_[static_cast<std::size_t>(llm_replica)];
  if (hub_) {  // where there is nobody to scatter to, the hub's own group is the last one to be served
    const bool hands_on = outputs.size() == 1 && outputs[0].size > 1;
    return Messages({{source.first_gpu, outputs[0].first_gpu, bytes}}, hands_on);
  }
  Communication all = Direct(outputs, source, bytes);
  for (Flow& flow : all.flows) std::swap(flow.source_gpu, flow.target_gpu);
  const Bytes share = bytes / static_cast<double>(outputs.size());
  Seconds slowest{0};
  for (const DeviceGroup& output : outputs) {
    slowest = std::max(slowest, IntraNodeAllGather(cost_.cluster().node_at(output.first_gpu), outputs[0].size, share));
  }
  all.latency += slowest;
  return all;
}

Communication Communicate::Direct(const std::vector<DeviceGroup>& outputs, DeviceGroup target, Bytes bytes) const {
  Communication all;
  for (const DeviceGroup& source : outputs) {
    const Communication one = GroupTransfer(cost_.cluster(), source.first_gpu, source.size, target.first_gpu,
                                            target.size, bytes / static_cast<double>(outputs.size()));
    all.flows.insert(all.flows.end(), one.flows.begin(), one.flows.end());
    all.latency = std::max(all.latency, one.latency);
  }
  return all;
}

}  // namespace dflop
