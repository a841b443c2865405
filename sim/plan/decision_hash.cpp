// Everything is sorted by content before it is hashed: replicas, a group's stages, samples of a bucket.
#include "sim/plan/decision_hash.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <numeric>
#include <string_view>
#include <tuple>
#include <utility>

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

/// [chunk of an order, which counts a group's stages as the layout stores them]: which it is by content.
std::vector<int> ChunksByContent(const std::vector<int>& as_stored, const std::vector<int>& by_content) {
  std::vector<int> chunks;
  chunks.reserve(as_stored.size());
  for (const int s : as_stored) {
    chunks.push_back(static_cast<int>(std::find(by_content.begin(), by_content.end(), s) - by_content.begin()));
  }
  return chunks;
}

std::string OrderBytes(const DeviceOrder& order, const std::vector<int>& chunks) {
  ContentBytes content;
  content.Count(static_cast<std::int64_t>(order.size()));
  for (const ScheduledOp& op : order) {
    content.Text(ContentName(op.kind));
    content.Count(op.microbatch);
    content.Field("chunk", chunks[Index(op.chunk)], 0);
    content.Field("pair", std::bit_cast<std::int64_t>(op.pair), 0);
    content.EndFields();
  }
  return content.bytes();
}

}  // namespace

DecisionHash::DecisionHash(const Layout& layout, const std::vector<DeviceOrder>& orders)
    : layout_(layout), replicas_(ReplicasByContent(layout)) {
  ContentBytes content;
  content.Text("dflop/decision/1");
  AddLayout(content);
  hash_.Add(content.bytes());
  AddOrders(orders);
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
  if (layout_.splits > 1) {
    content.Text("splits");
    content.Count(layout_.splits);
  }
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

// Straight into the hash: of 100,000 devices these are hundreds of megabytes, of a handful of orders.
void DecisionHash::AddOrders(const std::vector<DeviceOrder>& orders) {
  std::vector<int> stored(layout_.stages.size());
  std::iota(stored.begin(), stored.end(), 0);
  std::vector<int> rank(layout_.stages.size());
  int next = 0;
  for (const ReplicaContent& replica : replicas_) {
    for (const int s : replica.stages) rank[Index(s)] = next++;
  }
  const auto as_stored = StagesOfGroups(layout_, stored);
  const auto by_content = StagesOfGroups(layout_, rank);
  std::map<std::pair<const ScheduledOp*, std::vector<int>>, std::string> known;  // by entries and chunks
  std::vector<std::tuple<int, int, std::string_view>> groups;
  for (std::size_t g = 0; g < orders.size(); ++g) {
    if (as_stored[g].empty()) continue;
    std::vector<int> chunks = ChunksByContent(as_stored[g], by_content[g]);
    const auto [entry, is_new] = known.try_emplace({orders[g].data(), std::move(chunks)});
    if (is_new) entry->second = OrderBytes(orders[g], entry->first.second);
    groups.emplace_back(layout_.groups[g].first_gpu, layout_.groups[g].size, entry->second);
  }
  std::sort(groups.begin(), groups.end());
  ContentBytes count;
  count.Count(static_cast<std::int64_t>(groups.size()));
  hash_.Add(count.bytes());
  for (const auto& [first_gpu, size, order] : groups) {
    ContentBytes gpus;
    gpus.Count(first_gpu);
    gpus.Count(size);
    hash_.Add(gpus.bytes());
    hash_.Add(order);
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
  if (!plan.context_ranks.empty()) {
    content.Text("context_ranks");
    for (const ReplicaContent& replica : replicas_) {
      if (replica.module != layout_.modules() - 1) continue;
      for (const int degree : plan.context_ranks[Index(replica.replica)]) content.Count(degree);
    }
  }
  if (!own.empty()) {
    content.Text("orders");
    hash_.Add(std::exchange(content, ContentBytes()).bytes());
    AddOrders(own);
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
