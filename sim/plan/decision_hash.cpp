// Everything is sorted by content before it is hashed: replicas, a group's stages, samples of a bucket.
#include "sim/plan/decision_hash.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "base/error.hpp"
#include "base/index.hpp"

namespace dflop {
namespace {

void AddSamples(ContentBytes& content, std::vector<int> samples) {
  std::sort(samples.begin(), samples.end());
  content.Count(static_cast<std::int64_t>(samples.size()));
  for (const int sample : samples) content.Count(sample);
}

/// [group]: the stages that it holds, in ascending order of `rank`, which is by stage.
std::vector<std::vector<int>> StagesOfGroups(const Layout& layout, const std::vector<int>& rank) {
  std::vector<std::vector<int>> stages(layout.groups.size());
  for (int s = 0; s < static_cast<int>(layout.stages.size()); ++s) {
    stages[Index(layout.stages[Index(s)].group)].push_back(s);
  }
  for (auto& held : stages) {
    std::sort(held.begin(), held.end(), [&](int a, int b) { return rank[Index(a)] < rank[Index(b)]; });
  }
  return stages;
}

}  // namespace

DecisionHash::DecisionHash(const Layout& layout, const std::vector<DeviceOrder>& orders)
    : layout_(layout), replicas_(ReplicasByContent(layout)) {
  ContentBytes content;
  content.Text("dflop/decision/1");
  AddLayout(content);
  AddOrders(content, orders);
  hash_.Add(content.bytes());
}

void DecisionHash::AddLayout(ContentBytes& content) const {
  content.Count(static_cast<std::int64_t>(replicas_.size()));
  for (const ReplicaContent& replica : replicas_) {
    content.Count(static_cast<std::int64_t>(replica.stages.size()));
    for (const int s : replica.stages) {
      const Stage& stage = layout_.stages[Index(s)];
      content.Count(layout_.groups[Index(stage.group)].first_gpu);
      content.Count(layout_.groups[Index(stage.group)].size);
      AddParts(content, stage, true);
    }
  }
  content.Count(layout_.microbatches);
  if (layout_.joins()) {
    content.Text("communicator");
    content.Text(layout_.communicator.hub() ? "hub" : "direct");
    if (layout_.communicator.blocking) {
      content.Text("blocking");
      content.Count(1);
    }
    content.EndFields();
  }
  content.EndFields();
}

// An order counts a group's stages as the layout stores them.
void DecisionHash::AddOrders(ContentBytes& content, const std::vector<DeviceOrder>& orders) const {
  std::vector<int> stored(layout_.stages.size());
  std::iota(stored.begin(), stored.end(), 0);
  std::vector<int> rank(layout_.stages.size());
  int next = 0;
  for (const ReplicaContent& replica : replicas_) {
    for (const int s : replica.stages) rank[Index(s)] = next++;
  }
  const auto as_stored = StagesOfGroups(layout_, stored);
  const auto by_content = StagesOfGroups(layout_, rank);
  std::vector<std::tuple<int, int, std::string>> groups;
  for (std::size_t g = 0; g < orders.size(); ++g) {
    if (as_stored[g].empty()) continue;
    ContentBytes order;
    order.Count(static_cast<std::int64_t>(orders[g].size()));
    for (const ScheduledOp& op : orders[g]) {
      const auto chunk = std::find(by_content[g].begin(), by_content[g].end(), as_stored[g][Index(op.chunk)]);
      order.Text(ContentName(op.kind));
      order.Count(op.microbatch);
      order.Field("chunk", chunk - by_content[g].begin(), 0);
      order.EndFields();
    }
    groups.emplace_back(layout_.groups[g].first_gpu, layout_.groups[g].size, order.bytes());
  }
  std::sort(groups.begin(), groups.end());
  content.Count(static_cast<std::int64_t>(groups.size()));
  for (const auto& [first_gpu, size, order] : groups) {
    content.Count(first_gpu);
    content.Count(size);
    content.Raw(order);
  }
}

void DecisionHash::AddStep(const BatchPlan& plan, const std::vector<DeviceOrder>& own) {
  ContentBytes content;
  AddBuckets(content, plan.buckets, layout_.modules() - 1);
  if (!plan.deferred.empty()) {
    content.Text("deferred");
    AddSamples(content, plan.deferred);
  }
  if (!plan.encoder_buckets.empty()) {
    content.Text("encoder_buckets");
    content.Count(static_cast<std::int64_t>(plan.encoder_buckets.size()));
    for (std::size_t e = 0; e < plan.encoder_buckets.size(); ++e) {
      const int encoder = static_cast<int>(e);
      AddBuckets(content, plan.encoder_buckets[e], layout_.feeds(encoder) ? encoder : layout_.modules() - 1);
    }
  }
  if (!own.empty()) {
    content.Text("orders");
    AddOrders(content, own);
  }
  content.EndFields();
  hash_.Add(content.bytes());
}

/// `module`: whose replicas the buckets are for.
void DecisionHash::AddBuckets(ContentBytes& content, const Buckets& buckets, int module) const {
  content.Count(static_cast<std::int64_t>(buckets.size()));
  for (const ReplicaContent& replica : replicas_) {
    if (replica.module != module) continue;
    const auto& microbatches = buckets[Index(replica.replica)];
    content.Count(static_cast<std::int64_t>(microbatches.size()));
    for (const std::vector<int>& bucket : microbatches) AddSamples(content, bucket);
  }
}

}  // namespace dflop
