// Claims on the timeline hash: what changes it, what does not, and its classes made a second time from its description.
#include "sim/measure/timeline_hash.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "base/index.hpp"
#include "sim/measure/timeline.hpp"
#include "sim/plan/content_bytes.hpp"
#include "tests/sim/content_reference.hpp"

namespace dflop {
namespace {

using Classes = std::vector<TimelineClass>;

struct HashedJob {
  Layout layout;
  OperationGraph graph;
  OperationTimes times;

  Classes Equal() const { return TimelineHash(layout).Classes(graph, times); }
  std::string Hash() const {
    TimelineHash hash(layout);
    hash.AddStep(graph, times);
    return hash.Hex();
  }
};

HashedJob RunJob(const Sort& sort, std::uint64_t seed, bool split = false) {
  const SoftwareStack software{.sharding = seed % 2 == 0 ? Sharding::kOptimizer : Sharding::kNone};
  const CostModel cost = SmallJob(1, software);
  auto orders = OrdersOf(*Plugin<PipelineSchedule>(sort.pipeline), sort.layout);
  if (split) orders = Split(orders);
  const auto batch = UnevenSamples(48, seed);
  const BatchPlan plan = PlanFor(cost, sort, orders, batch, seed);
  Step step = SimulateStep({cost, sort.layout, orders}, plan, batch, *MakeReplayEngine());
  return {sort.layout, std::move(step.graph), std::move(step.times)};
}

/// The same step under other numbers, its operations in another order. Dependencies stay behind: no hash reads them.
HashedJob Renumbered(const HashedJob& job, RandomStream& random) {
  const Relabeled other = Relabel(job.layout, random);
  const std::vector<int> order = Permutation(static_cast<int>(job.graph.operations.size()), random);
  HashedJob result{other.layout, job.graph, job.times};
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto old = Index(order[i]);
    Operation operation = job.graph.operations[old];
    if (operation.stage >= 0) operation.stage = other.stage[Index(operation.stage)];
    if (operation.to_stage >= 0) operation.to_stage = other.stage[Index(operation.to_stage)];
    if (operation.queue >= 0 && operation.queue < job.graph.groups) {
      operation.queue = other.group[Index(operation.queue)];
    }
    result.graph.operations[i] = operation;
    result.times.start[i] = job.times.start[old];
    result.times.end[i] = job.times.end[old];
  }
  return result;
}

// ---- The description in sim/measure/timeline_hash.hpp once more, by brute force over the events of MakeTimeline. It
// tells what belongs to no replica by kind and stages, and relies on the layout being stored as BuildLayout stores it.

bool OfAllReplicas(const TimelineEvent& event, const Layout& layout, bool exchanges) {
  if (event.kind == OpKind::kParameterGather) return true;
  if (event.kind == OpKind::kGradientReduction) return event.to_stage < 0;
  if (event.kind != OpKind::kTransfer) return false;
  if (event.stage == event.to_stage) return true;
  const auto is_llm = [&](int s) { return layout.stages[Index(s)].parts.front().module + 1 == layout.modules(); };
  const bool joins = is_llm(event.stage) != is_llm(event.to_stage);
  return joins && (layout.joins() || exchanges);
}

std::string KindText(OpKind kind) {
  static const std::map<OpKind, std::string> kTexts = {{OpKind::kForward, "forward"},
                                                       {OpKind::kBackward, "backward"},
                                                       {OpKind::kBackwardInput, "backward-input"},
                                                       {OpKind::kBackwardWeight, "backward-weight"},
                                                       {OpKind::kTransfer, "transfer"},
                                                       {OpKind::kGradientReduction, "gradient-reduction"},
                                                       {OpKind::kOptimizerStep, "optimizer-step"},
                                                       {OpKind::kParameterGather, "parameter-gather"}};
  return kTexts.at(kind);
}

std::string PartsText(const Stage& stage) {
  using namespace reference;
  std::string bytes = Count(static_cast<int>(stage.parts.size()));
  for (const ModulePart& part : stage.parts) {
    bytes += Count(part.module) + Count(part.first_layer) + Count(part.layers);
    if (part.has_input) bytes += Text("input") + Count(1);
    if (part.has_output) bytes += Text("output") + Count(1);
    bytes += Text("");
  }
  return bytes;
}

/// Events as they are sorted: device, start, kind, microbatch, end, stage, target.
using EventKey = std::tuple<int, double, std::string, int, double, int, int>;

std::string Digest(std::string bytes, const std::multiset<EventKey>& events) {
  using namespace reference;
  std::set<std::string> kinds;
  for (const EventKey& event : events) kinds.insert(std::get<2>(event));
  bytes += Count(static_cast<int>(kinds.size()));
  for (const std::string& kind : kinds) bytes += Text(kind);
  bytes += Count(static_cast<int>(events.size()));
  for (const auto& [device, start, kind, microbatch, end, stage, target] : events) {
    bytes += Time(start) + Time(end) + Count(std::distance(kinds.begin(), kinds.find(kind)));
    if (microbatch >= 0) bytes += Text("m") + Count(microbatch);
    if (stage >= 0) bytes += Text("s") + Count(stage);
    if (target >= 0) bytes += Text("t") + Count(target);
    bytes += Text("");
  }
  return Sha256Hex(bytes).substr(0, 32);
}

class BruteForce {
 public:
  BruteForce(const HashedJob& job, bool exchanges) : job_(job), timeline_(MakeTimeline(job.graph, job.times)) {
    for (const Stage& stage : job.layout.stages) all_.insert(PartsText(stage));
    for (const TimelineEvent& event : timeline_.events) {
      const bool between = OfAllReplicas(event, job.layout, exchanges) ||
                           (event.to_stage >= 0 && ReplicaOf(event.stage) != ReplicaOf(event.to_stage));
      if (between) {
        between_.push_back(event);
      } else {
        inside_[ReplicaOf(event.stage)].push_back(event);
      }
    }
  }

  Classes Expected() const {
    std::map<std::string, std::int64_t> counts;
    for (const auto& [replica, events] : inside_) ++counts[OfReplica(replica, events)];
    if (!between_.empty()) ++counts[Between()];
    Classes classes;
    for (const auto& [digest, count] : counts) classes.push_back({digest, count});
    return classes;
  }

 private:
  /// Module, as far as it tells replicas apart, and number.
  std::pair<int, int> ReplicaOf(int s) const {
    const Stage& stage = job_.layout.stages[Index(s)];
    return {job_.layout.joins() ? stage.parts.front().module : 0, stage.replica};
  }
  EventKey Key(const TimelineEvent& event, int device, int stage, int target) const {
    return {device, event.start.value(), KindText(event.kind), event.microbatch, event.end.value(), stage, target};
  }

  std::string OfReplica(std::pair<int, int> replica, const std::vector<TimelineEvent>& events) const {
    std::map<int, int> device_of;  // by group
    std::map<int, int> place_of;   // by stage
    std::string stages;
    for (int s = 0; s < static_cast<int>(job_.layout.stages.size()); ++s) {
      if (ReplicaOf(s) != replica) continue;
      const Stage& stage = job_.layout.stages[Index(s)];
      const int device = device_of.emplace(stage.group, static_cast<int>(device_of.size())).first->second;
      place_of.emplace(s, static_cast<int>(place_of.size()));
      stages += reference::Count(device) + PartsText(stage);
    }
    std::multiset<EventKey> keys;
    for (const TimelineEvent& event : events) {
      keys.insert(Key(event, event.group < 0 ? -1 : device_of.at(event.group), place_of.at(event.stage),
                      event.to_stage < 0 ? -1 : place_of.at(event.to_stage)));
    }
    return Digest(reference::Text("replica") + reference::Count(static_cast<int>(place_of.size())) + stages, keys);
  }

  std::string Between() const {
    std::string head = reference::Text("between replicas") + reference::Count(static_cast<int>(all_.size()));
    for (const std::string& parts : all_) head += parts;
    const auto place = [&](int s) {
      if (s < 0) return -1;
      return static_cast<int>(std::distance(all_.begin(), all_.find(PartsText(job_.layout.stages[Index(s)]))));
    };
    std::multiset<EventKey> keys;
    for (const TimelineEvent& event : between_) keys.insert(Key(event, -1, place(event.stage), place(event.to_stage)));
    return Digest(head, keys);
  }

  const HashedJob& job_;
  Timeline timeline_;
  std::set<std::string> all_;
  std::map<std::pair<int, int>, std::vector<TimelineEvent>> inside_;
  std::vector<TimelineEvent> between_;
};

TEST(TimelineHash, ClassesAreThoseOfItsDescription) {
  for (const Sort& sort : SortsOfLayouts()) {
    for (const bool split : {false, true}) {
      for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        const HashedJob job = RunJob(sort, seed, split);
        EXPECT_TRUE(job.Equal() == BruteForce(job, sort.batching == "orchmllm").Expected())
            << sort.name << (split ? ", split" : "") << ", seed " << seed;
      }
    }
  }
}

TEST(TimelineHash, JobsOfTheseTestsHaveWhatBelongsToNoReplica) {
  std::map<std::string, std::set<OpKind>> kinds;
  for (const Sort& sort : SortsOfLayouts()) {
    for (const std::uint64_t seed : {1u, 2u}) {
      const HashedJob job = RunJob(sort, seed);
      for (const Operation& operation : job.graph.operations) {
        if (operation.of_all_replicas && IsEvent(job.graph, operation)) kinds[sort.name].insert(operation.kind);
      }
    }
    EXPECT_TRUE(kinds[sort.name].contains(OpKind::kGradientReduction)) << sort.name;
    EXPECT_TRUE(kinds[sort.name].contains(OpKind::kParameterGather)) << sort.name;
  }
  EXPECT_TRUE(kinds["exchange"].contains(OpKind::kTransfer));
  EXPECT_TRUE(kinds["hub"].contains(OpKind::kTransfer));
}

TEST(TimelineHash, CoversTheSortedClassesOfEveryStepInTurn) {
  const HashedJob first = RunJob(SortsOfLayouts()[0], 1);
  const HashedJob second = RunJob(SortsOfLayouts()[0], 2);
  std::string bytes = reference::Text("dflop/timeline/1");
  for (const HashedJob* job : {&first, &second}) {
    const Classes classes = job->Equal();
    bytes += reference::Count(static_cast<int>(classes.size()));
    for (const auto& [digest, count] : classes) bytes += reference::Text(digest) + reference::Count(count);
  }
  TimelineHash hash(first.layout);
  hash.AddStep(first.graph, first.times);
  hash.AddStep(second.graph, second.times);
  EXPECT_EQ(hash.Hex(), Sha256Hex(bytes));
}

TEST(TimelineHash, NumbersAndTheOrderOfOperationsMeanNothing) {
  for (const Sort& sort : SortsOfLayouts()) {
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
      const HashedJob job = RunJob(sort, seed, seed % 3 == 0);
      RandomStream random(seed, "renumber");
      EXPECT_EQ(Renumbered(job, random).Hash(), job.Hash()) << sort.name << ", seed " << seed;
    }
  }
}

/// What two LLM replicas do changes hands, each event for its counterpart; messages to them as well.
HashedJob Swapped(const HashedJob& job, int a, int b) {
  const int llm = job.layout.modules() - 1;
  const auto counterpart = [&](int s) {
    if (s < 0) return s;
    const Stage& stage = job.layout.stages[Index(s)];
    const bool moves = !job.layout.joins() || stage.parts.front().module == llm;
    if (!moves || (stage.replica != a && stage.replica != b)) return s;
    for (std::size_t other = 0; other < job.layout.stages.size(); ++other) {
      const Stage& candidate = job.layout.stages[other];
      if (candidate.depth == stage.depth && candidate.replica == a + b - stage.replica &&
          candidate.parts.front().module == stage.parts.front().module) {
        return static_cast<int>(other);
      }
    }
    return -1;
  };
  HashedJob swapped = job;
  for (Operation& operation : swapped.graph.operations) {
    if (operation.of_all_replicas) continue;
    operation.stage = counterpart(operation.stage);
    operation.to_stage = counterpart(operation.to_stage);
    if (ComputingGroup(job.graph, operation) >= 0) {
      operation.queue = job.layout.stages[Index(operation.stage)].group;
    }
  }
  return swapped;
}

TEST(TimelineHash, WhichReplicaIsWhichMeansNothing) {
  for (const Sort& sort : SortsOfLayouts()) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      const HashedJob job = RunJob(sort, seed);
      const HashedJob swapped = Swapped(job, 0, job.layout.llm_replicas() - 1);
      EXPECT_NE(MakeTimeline(swapped.graph, swapped.times).events.front().stage, -1);
      EXPECT_EQ(swapped.Hash(), job.Hash()) << sort.name << ", seed " << seed;
    }
  }
}

TEST(TimelineHash, EventsOfOneDeviceThatChangeHandsAloneChangeIt) {
  // Unequal replicas of two devices: swapping what their first devices do gives two replicas that nobody was.
  const HashedJob job = RunJob(SortsOfLayouts()[0], 1);
  HashedJob swapped = Swapped(job, 0, 1);
  for (std::size_t i = 0; i < job.graph.operations.size(); ++i) {
    const int s = job.graph.operations[i].stage;
    if (job.layout.stages[Index(s)].depth > 0) swapped.graph.operations[i] = job.graph.operations[i];
  }
  EXPECT_NE(swapped.Hash(), job.Hash());
}

TEST(TimelineHash, EveryEventCountsToTheLastBit) {
  for (const Sort& sort : SortsOfLayouts()) {
    const HashedJob job = RunJob(sort, 2);
    const std::string hash = job.Hash();
    for (std::size_t i = 0; i < job.graph.operations.size(); ++i) {
      const bool event = IsEvent(job.graph, job.graph.operations[i]);
      for (const auto times : {&OperationTimes::start, &OperationTimes::end}) {
        HashedJob moved = job;
        Seconds& time = (moved.times.*times)[i];
        time = Seconds(std::nextafter(time.value(), HUGE_VAL));
        EXPECT_EQ(moved.Hash() != hash, event) << sort.name << ", operation " << i;
      }
    }
  }
}

TEST(TimelineHash, EveryFieldOfAnEventCounts) {
  for (const Sort& sort : SortsOfLayouts()) {
    const HashedJob job = RunJob(sort, 2);
    const std::string hash = job.Hash();
    for (std::size_t i = 0; i < job.graph.operations.size(); ++i) {
      const Operation& operation = job.graph.operations[i];
      if (!IsEvent(job.graph, operation)) continue;
      HashedJob other = job;
      ++other.graph.operations[i].microbatch;
      EXPECT_NE(other.Hash(), hash) << sort.name << ", operation " << i;
      other = job;
      other.graph.operations[i].kind = operation.kind == OpKind::kTransfer ? OpKind::kForward : OpKind::kTransfer;
      EXPECT_NE(other.Hash(), hash) << sort.name << ", operation " << i;
      if (operation.of_all_replicas || operation.to_stage < 0) continue;
      other = job;
      std::swap(other.graph.operations[i].stage, other.graph.operations[i].to_stage);
      EXPECT_NE(other.Hash(), hash) << sort.name << ", operation " << i;
    }
  }
}

TEST(TimelineHash, ZeroHasNoSign) {
  HashedJob job = RunJob(SortsOfLayouts()[0], 1);
  const std::string hash = job.Hash();
  int zeros = 0;
  for (Seconds& start : job.times.start) {
    if (start == Seconds(0)) start = Seconds(-0.0), ++zeros;
  }
  EXPECT_GT(zeros, 0);
  EXPECT_EQ(job.Hash(), hash);
}

TEST(TimelineHash, EqualReplicasAreOneClass) {
  // Four replicas of one stage with equal work on one node: one class of four, and the gradient reductions.
  const CostModel cost = SmallJob();
  const Sort sort{"equal", BuildLayout(HomogeneousDegrees{.dp = 4, .microbatches = 2}, SmallVlm(), A100Nodes(1))};
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), sort.layout);
  const std::vector<SampleShape> batch(8, {{1}, 300, 90});
  const BatchPlan plan = PlanFor(cost, {"", sort.layout, "1f1b", "in-order"}, orders, batch, 1);
  const Step step = SimulateStep({cost, sort.layout, orders}, plan, batch, *MakeReplayEngine());
  const Classes classes = TimelineHash(sort.layout).Classes(step.graph, step.times);
  ASSERT_EQ(classes.size(), 2u);
  EXPECT_EQ(classes[0].count + classes[1].count, 5);
  EXPECT_EQ(classes[0].count * classes[1].count, 4);
}

TEST(TimelineHash, ReplicasOfTwoModulesAreNoClass) {
  // Encoder and LLM replica of one stage each, whose events have the same times.
  const Layout layout =
      BuildLayout(SeparateDegrees{{{1, 1, 2}}, {1, 1, 2}, 1, Communicator::kHub}, SmallVlm(), A100Nodes(1));
  OperationGraph graph;
  graph.groups = 4;
  for (int s = 0; s < 4; ++s) graph.operations.push_back({.stage = s, .microbatch = 0, .queue = s});
  const OperationTimes times{std::vector<Seconds>(4, Seconds(0)), std::vector<Seconds>(4, Seconds(1)), Seconds(1)};
  const Classes classes = TimelineHash(layout).Classes(graph, times);
  ASSERT_EQ(classes.size(), 2u);
  for (const TimelineClass& one : classes) EXPECT_EQ(one.count, 2);
}

TEST(ContentName, IsFixedForEver) {
  for (const OpKind kind :
       {OpKind::kForward, OpKind::kBackward, OpKind::kBackwardInput, OpKind::kBackwardWeight, OpKind::kTransfer,
        OpKind::kGradientReduction, OpKind::kOptimizerStep, OpKind::kParameterGather}) {
    EXPECT_EQ(ContentName(kind), KindText(kind));
  }
}

TEST(ContentBytes, AreThoseOfTheirDescription) {
  ContentBytes content;
  for (const int value : {0, 127, 128, 300, 1 << 30}) content.Count(value);
  content.Text("ab");
  content.Time(Seconds(1.5));
  content.Field("f", 7, 7);
  content.Field("g", 8, 7);
  content.EndFields();
  const unsigned char expected[] = {0,   127, 128, 1, 172, 2, 128, 128, 128, 128, 4,   2, 'a',
                                    'b', 0,   0,   0, 0,   0, 0,   248, 63,  1,   'g', 8, 0};
  EXPECT_EQ(content.bytes(), std::string(std::begin(expected), std::end(expected)));
}

}  // namespace
}  // namespace dflop
