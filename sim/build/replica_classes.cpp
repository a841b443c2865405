// Equal replicas are found by their content as bytes, in one pass.
#include "sim/build/replica_classes.hpp"

#include <map>
#include <string>

#include "base/index.hpp"
#include "sim/build/collectives.hpp"
#include "sim/build/communicator.hpp"
#include "sim/plan/content_bytes.hpp"
#include "sim/plan/replica_content.hpp"

namespace dflop {
namespace {

void AddDouble(ContentBytes& content, double value) { content.Time(Seconds(value)); }

/// A message takes its latency plus a time in proportion to its bytes: two sizes tell both.
void AddMessage(ContentBytes& content, const CostModel& cost, const Layout& layout, const Stage& from,
                const Stage& to) {
  const DeviceGroup& source = layout.groups[Index(from.group)];
  const DeviceGroup& target = layout.groups[Index(to.group)];
  for (const double bytes : {0.0, 1e9}) {
    const Communication message =
        StageTransfer(cost, source, target, Bytes(bytes), to.parts.back().mesh.sequence_parallel);
    content.Time(UncontendedTime(cost.cluster(), message));
  }
}

void AddStages(ContentBytes& content, const CostModel& cost, const Layout& layout, const ReplicaContent& replica) {
  for (std::size_t i = 0; i < replica.stages.size(); ++i) {
    const Stage& stage = layout.stages[Index(replica.stages[i])];
    content.Count(replica.devices[i]);
    content.Count(static_cast<int>(cost.cluster().kind_of(layout.groups[Index(stage.group)].first_gpu)));
    AddParts(content, stage, true);
    if (i == 0) continue;
    const Stage& before = layout.stages[Index(replica.stages[i - 1])];
    AddMessage(content, cost, layout, before, stage);
    AddMessage(content, cost, layout, stage, before);
  }
  const int embeds = EmbeddingStage(cost, layout, replica.stages);
  const Communication tied = TiedEmbeddingReduction(cost, layout, embeds, replica.stages.back());
  content.Time(UncontendedTime(cost.cluster(), tied));
}

void AddWork(ContentBytes& content, const StepWork& work, int replica) {
  for (const auto& module : work.sequences) {
    for (const SequenceBatch& batch : module[Index(replica)]) {
      content.Count(static_cast<std::int64_t>(batch.groups.size()));
      for (const SequenceBatch::Group& group : batch.groups) {
        AddDouble(content, group.length);
        AddDouble(content, group.count);
      }
      AddDouble(content, batch.useful_tokens);
      AddDouble(content, batch.useful_squares);
    }
  }
}

}  // namespace

std::vector<ReplicaClass> ReplicaClassesOf(const CostModel& cost, const Layout& layout, const StepWork& work) {
  const bool apart = ReplicasMeet(layout, work);
  std::vector<std::string> contents(Index(layout.llm_replicas()));
  for (const ReplicaContent& replica : ReplicasByContent(layout)) {
    if (apart) break;
    ContentBytes content;
    AddStages(content, cost, layout, replica);
    AddWork(content, work, replica.replica);
    contents[Index(replica.replica)] = content.bytes();
  }
  std::vector<ReplicaClass> classes;
  std::map<std::string, std::size_t> class_of;
  for (int replica = 0; replica < layout.llm_replicas(); ++replica) {
    const auto [entry, is_new] = class_of.try_emplace(contents[Index(replica)], classes.size());
    if (apart || is_new) {
      classes.push_back({{replica}});
    } else {
      classes[entry->second].replicas.push_back(replica);
    }
  }
  return classes;
}

}  // namespace dflop
