// Equal replicas are found by their content as bytes, in one pass.
#include "sim/build/replica_classes.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/index.hpp"
#include "sim/build/collectives.hpp"
#include "sim/build/communicator.hpp"
#include "sim/build/stage_way.hpp"
#include "sim/plan/content_bytes.hpp"
#include "sim/plan/replica_content.hpp"

namespace dflop {
namespace {

void AddDouble(ContentBytes& content, double value) { content.Time(Seconds(value)); }

void AddMessage(ContentBytes& content, const CostModel& cost, const Layout& layout, const Stage& from,
                const Stage& to) {
  StageWay(cost, layout.groups[Index(from.group)], layout.groups[Index(to.group)], to.parts.back().mesh).AddTo(content);
}

void AddStages(ContentBytes& content, const CostModel& cost, const Layout& layout, const ReplicaContent& replica) {
  for (std::size_t i = 0; i < replica.stages.size(); ++i) {
    const Stage& stage = layout.stages[Index(replica.stages[i])];
    content.Count(replica.devices[i]);
    content.Count(static_cast<int>(cost.cluster().kind_of(layout.groups[Index(stage.group)].first_gpu)));
    if (cost.cluster().has_slow_gpus()) AddDouble(content, SpeedOf(stage, layout, cost.cluster()));
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
        AddDouble(content, group.context);
        AddDouble(content, group.media);
      }
      content.Count(batch.context_ranks);
      AddDouble(content, batch.useful_tokens);
      AddDouble(content, batch.useful_squares);
    }
  }
}

/// No NIC serves GPUs of two replicas, or rows of two directions.
bool KeepNicsApart(const ClusterSpec& cluster, const Layout& layout) {
  std::map<std::int64_t, int> user_of;  // row by NIC
  for (const Stage& stage : layout.stages) {
    const DeviceGroup& group = layout.groups[Index(stage.group)];
    for (int gpu = group.first_gpu; gpu < group.first_gpu + group.size; ++gpu) {
      const int row = layout.RowOf(stage.replica);
      if (user_of.try_emplace(cluster.nic_number(gpu), row).first->second != row) return false;
    }
  }
  return true;
}

/// Where GPUs of a replica share NICs, those of every other share them in the same way.
bool ShareNicsAlike(const ClusterSpec& cluster, const Layout& layout) {
  std::map<int, std::vector<int>> nics_of_row;
  for (const Stage& stage : layout.stages) {
    const DeviceGroup& group = layout.groups[Index(stage.group)];
    std::vector<int>& nics = nics_of_row[layout.RowOf(stage.replica)];
    for (int i = 0; i < group.size; ++i) nics.push_back(cluster.nic_number(group.first_gpu + i));
  }
  for (auto& [row, nics] : nics_of_row) {
    std::map<int, int> place;  // by NIC, in the order of first use
    for (int& nic : nics) nic = place.try_emplace(nic, static_cast<int>(place.size())).first->second;
  }
  return std::all_of(nics_of_row.begin(), nics_of_row.end(),
                     [&](const auto& row) { return row.second == nics_of_row.begin()->second; });
}

/// Every NVLink domain that holds groups of a stage holds equally many, and each of them whole.
bool FillDomainsAlike(const ClusterSpec& cluster, const Layout& layout) {
  std::map<std::pair<int, int>, int> groups;  // by depth and domain
  for (const Stage& stage : layout.stages) {
    ++groups[{stage.depth, cluster.domain_of(layout.groups[Index(stage.group)].first_gpu)}];
  }
  std::map<int, int> of_depth;
  return std::all_of(groups.begin(), groups.end(), [&](const auto& entry) {
    return of_depth.try_emplace(entry.first.first, entry.second).first->second == entry.second;
  });
}

/// Of a replica, and with it of that in the other direction on the same devices.
std::string ContentOfRow(const std::vector<std::string>& contents, int replica, const Layout& layout) {
  if (layout.directions == 1) return contents[Index(replica)];
  ContentBytes content;
  content.Count(layout.DirectionOf(replica));
  for (int r = layout.RowOf(replica); r < layout.llm_replicas(); r += layout.rows()) content.Text(contents[Index(r)]);
  return content.bytes();
}

}  // namespace

std::vector<int> CopiesByReplica(std::span<const ReplicaClass> classes, const Layout& layout) {
  if (classes.empty()) return {};
  std::vector<int> copies(Index(layout.llm_replicas()));
  for (const ReplicaClass& one : classes) copies[Index(one.first())] = one.count();
  return copies;
}

std::vector<ReplicaClass> ReplicasToFold(const Job& job, const StepWork& work) {
  std::vector<ReplicaClass> classes = ReplicaClassesOf(job.cost, job.layout, work);
  if (SharesFabric(job.cost.cluster()) || Index(job.layout.llm_replicas()) == classes.size() ||
      !MayMeetFolded(classes, job.cost, job.layout) || !RunAlike(classes, job.layout, job.orders)) {
    return {};
  }
  return classes;
}

int ReplicasOfExperts(const ModulePart& part) {
  const Mesh& mesh = part.mesh;
  return std::max(1, mesh.ep * mesh.etp / (mesh.tp * mesh.copies()));
}

bool MeetWithinStep(const CostModel& cost, const Layout& layout) {
  if (cost.software().couples_microbatches()) return true;
  return ReplicasOfExperts(layout.stages.back().parts.front()) > 1;  // the LLM's, which alone has any
}

bool MayMeetFolded(std::span<const ReplicaClass> classes, const CostModel& cost, const Layout& layout) {
  return !MeetWithinStep(cost, layout) || (AllAlike(classes, layout) && cost.software().shard_group == 0);
}

bool RunAlike(std::span<const ReplicaClass> classes, const Layout& layout, const std::vector<DeviceOrder>& orders) {
  std::vector<int> stands_for(Index(layout.llm_replicas()));
  for (const ReplicaClass& one : classes) {
    for (const int replica : one.replicas) stands_for[Index(replica)] = one.first();
  }
  std::map<std::pair<int, int>, int> group_of;  // of those that stand for others, by replica and depth
  for (const Stage& stage : layout.stages) {
    if (stands_for[Index(stage.replica)] == stage.replica) group_of[{stage.replica, stage.depth}] = stage.group;
  }
  return std::all_of(layout.stages.begin(), layout.stages.end(), [&](const Stage& stage) {
    const int other = group_of.at({stands_for[Index(stage.replica)], stage.depth});
    return orders[Index(stage.group)] == orders[Index(other)];
  });
}

bool MayFoldUnderContention(std::span<const ReplicaClass> classes, const ClusterSpec& cluster, const Layout& layout) {
  return AllAlike(classes, layout) && KeepNicsApart(cluster, layout) && ShareNicsAlike(cluster, layout) &&
         FillDomainsAlike(cluster, layout);
}

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
  std::unordered_map<std::string, std::size_t> class_of;
  for (int replica = 0; replica < layout.llm_replicas(); ++replica) {
    const auto [entry, is_new] = class_of.try_emplace(ContentOfRow(contents, replica, layout), classes.size());
    if (apart || is_new) {
      classes.push_back({{replica}});
    } else {
      classes[entry->second].replicas.push_back(replica);
    }
  }
  return classes;
}

double OperationsToldApart(const OperationGraph& graph, const Layout& layout) {
  double count = 0;
  for (const Operation& operation : graph.operations) {
    count += operation.of_all_replicas ? 1 : graph.CopiesOf(layout.stages[Index(operation.stage)].group);
  }
  return count;
}

}  // namespace dflop
