// Each replica's events are hashed by themselves, and equal hashes counted, so that no order of replicas matters.
#include "sim/measure/timeline_hash.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "base/index.hpp"
#include "sim/measure/timeline.hpp"
#include "sim/plan/replica_content.hpp"

namespace dflop {
namespace {

/// Members in the order by which events are sorted.
struct Event {
  int device = -1;
  Seconds start{0};
  std::string_view kind;
  int microbatch = -1;
  Seconds end{0};
  int stage = -1;
  int target = -1;
  auto operator<=>(const Event&) const = default;
};

std::string Digest(const std::string& stages, std::vector<Event>& events) {
  constexpr std::size_t kDigits = 128 / 4;
  std::sort(events.begin(), events.end());
  std::map<std::string_view, std::int64_t> kinds;
  std::string_view last;  // neighbours are often of one kind
  for (const Event& event : events) {
    if (event.kind.data() != last.data()) kinds.try_emplace(last = event.kind);
  }
  ContentBytes content;
  content.Raw(stages);
  content.Count(static_cast<std::int64_t>(kinds.size()));
  for (auto& [kind, place] : kinds) {
    place = std::distance(kinds.begin(), kinds.find(kind));
    content.Text(kind);
  }
  content.Count(static_cast<std::int64_t>(events.size()));
  for (const Event& event : events) {
    content.Time(event.start);
    content.Time(event.end);
    content.Count(kinds.at(event.kind));
    content.Field("m", event.microbatch, -1);
    content.Field("s", event.stage, -1);
    content.Field("t", event.target, -1);
    content.EndFields();
  }
  return Sha256Hex(content.bytes()).substr(0, kDigits);
}

std::string PartsOf(const Stage& stage) {
  ContentBytes content;
  AddParts(content, stage, false);
  return content.bytes();
}

}  // namespace

TimelineHash::TimelineHash(const Layout& layout) : places_(layout.stages.size()) {
  std::set<std::string> different;
  for (const Stage& stage : layout.stages) different.insert(PartsOf(stage));
  ContentBytes between;
  between.Text("between replicas");
  between.Count(static_cast<std::int64_t>(different.size()));
  for (const std::string& parts : different) between.Raw(parts);
  stages_between_ = between.bytes();
  for (const ReplicaContent& replica : ReplicasByContent(layout)) {
    ContentBytes stages;
    stages.Text("replica");
    stages.Count(static_cast<std::int64_t>(replica.stages.size()));
    for (std::size_t i = 0; i < replica.stages.size(); ++i) {
      const std::string parts = PartsOf(layout.stages[Index(replica.stages[i])]);
      stages.Count(replica.devices[i]);
      stages.Raw(parts);
      places_[Index(replica.stages[i])] = {static_cast<int>(replica_stages_.size()), static_cast<int>(i),
                                           replica.devices[i],
                                           static_cast<int>(std::distance(different.begin(), different.find(parts)))};
    }
    replica_stages_.push_back(stages.bytes());
    replica_groups_.push_back(layout.stages[Index(replica.stages.front())].group);
  }
  ContentBytes head;
  head.Text("dflop/timeline/1");
  hash_.Add(head.bytes());
}

std::vector<TimelineClass> TimelineHash::Classes(const OperationGraph& graph, const OperationTimes& times) const {
  std::vector<std::vector<Event>> of_replicas(replica_stages_.size());
  std::vector<Event> between;
  const Place nowhere;
  for (std::size_t i = 0; i < graph.operations.size(); ++i) {
    const Operation& operation = graph.operations[i];
    if (!IsEvent(graph, operation)) continue;
    const int group = ComputingGroup(graph, operation);
    const Place& at = operation.stage < 0 ? nowhere : places_[Index(operation.stage)];
    const Place& to = operation.to_stage < 0 ? nowhere : places_[Index(operation.to_stage)];
    const bool inside =
        at.replica >= 0 && !operation.of_all_replicas && (operation.to_stage < 0 || to.replica == at.replica);
    (inside ? of_replicas[Index(at.replica)] : between)
        .push_back({.device = group < 0 ? -1 : at.device,
                    .start = times.start[i],
                    .kind = ContentName(operation.kind),
                    .microbatch = operation.microbatch,
                    .end = times.end[i],
                    .stage = inside ? at.stage : at.between,
                    .target = inside ? to.stage : to.between});
  }
  std::map<std::string, std::int64_t> counts;
  for (std::size_t r = 0; r < of_replicas.size(); ++r) {
    const int copies = graph.copies.empty() ? 1 : graph.copies[Index(replica_groups_[r])];
    if (copies > 0) counts[Digest(replica_stages_[r], of_replicas[r])] += copies;
  }
  if (!between.empty()) ++counts[Digest(stages_between_, between)];
  std::vector<TimelineClass> classes;
  classes.reserve(counts.size());
  for (const auto& [digest, count] : counts) classes.push_back({digest, count});
  return classes;
}

void TimelineHash::AddStep(const OperationGraph& graph, const OperationTimes& times) {
  const std::vector<TimelineClass> classes = Classes(graph, times);
  ContentBytes content;
  content.Count(static_cast<std::int64_t>(classes.size()));
  for (const TimelineClass& one : classes) {
    content.Text(one.digest);
    content.Count(one.count);
  }
  hash_.Add(content.bytes());
}

}  // namespace dflop
