// Slices of a thread may not overlap: devices have a thread each, messages take the first free lane of their node.
#include "sim/measure/chrome_trace.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/index.hpp"
#include "base/json_file.hpp"
#include "sim/build/step_costs.hpp"
#include "sim/graph/op_kind.hpp"
#include "sim/measure/timeline.hpp"

namespace dflop {
namespace {

constexpr double kMicro = 1e6;
constexpr int kCommunicationThread = 1 << 20;  // sorts below the device groups of its node
constexpr int kNotDrawn = -1;

class TraceWriter {
 public:
  TraceWriter(const std::string& path, const CostModel& cost, const Layout& layout, const BatchPlan& plan,
              const Step& step, const std::vector<bool>& drawn)
      : cost_(cost), layout_(layout), plan_(plan), step_(step), drawn_(drawn), file_(path) {}

  void Write() {
    file_.Member("displayTimeUnit", "ms");
    file_.OpenArray("traceEvents");
    NameThreads();
    PlaceCommunication();
    for (std::size_t i = 0; i < step_.graph.operations.size(); ++i) AddOperation(i);
    for (std::size_t i = 0; i < step_.graph.operations.size(); ++i) AddArrowsTo(i);
    for (std::size_t g = 0; g < layout_.groups.size(); ++g) {
      if (drawn_[g]) AddMemoryCounter(static_cast<int>(g));
    }
    file_.CloseArray();
    file_.Close();
  }

 private:
  const Stage& StageAt(int s) const { return layout_.stages[Index(s)]; }
  int NodeOfGroup(int g) const { return cost_.cluster().node_of(layout_.groups[Index(g)].first_gpu); }
  void Emit(const Json& event) { file_.Element(event); }

  Json Event(const char* phase, const std::string& name, int pid, int tid) const {
    Json event;
    event["ph"] = phase;
    event["name"] = name;
    event["pid"] = pid;
    event["tid"] = tid;
    return event;
  }
  void Name(const char* what, int pid, int tid, const char* key, Json value) {
    Json event = Event("M", what, pid, tid);
    event["args"][key] = std::move(value);
    Emit(event);
  }

  void NameThreads() {
    std::map<int, bool> named;
    for (int s = 0; s < static_cast<int>(layout_.stages.size()); ++s) {
      const Stage& stage = StageAt(s);
      if (!drawn_[Index(stage.group)] || GoesUp(stage)) continue;
      const int node = NodeOfGroup(stage.group);
      if (!named[node]) {
        Name("process_name", node, 0, "name", "node " + std::to_string(node));
        Name("process_sort_index", node, 0, "sort_index", node);
        named[node] = true;
      }
      Name("thread_name", node, stage.group, "name", ThreadName(s));
      Name("thread_sort_index", node, stage.group, "sort_index", stage.group);
    }
  }
  /// On devices that the way down names.
  bool GoesUp(const Stage& stage) const {
    return !layout_.feeds(stage.parts.front().module) && layout_.DirectionOf(stage.replica) > 0;
  }
  std::string ThreadName(int s) const {
    std::string modules;
    for (const ModulePart& part : StageAt(s).parts) {
      modules += (modules.empty() ? "" : " + ") + cost_.model().module_name(part.module);
    }
    const DeviceGroup& group = layout_.groups[Index(StageAt(s).group)];
    const std::string first = std::to_string(group.first_gpu);
    const int replica = StageAt(s).replica;
    const std::string up = std::to_string(replica + layout_.rows());
    const std::string replicas = layout_.directions == 1
                                     ? ", replica " + std::to_string(replica)
                                     : ", replica " + std::to_string(replica) + " down, " + up + " up";
    return modules + " stage " + std::to_string(StageAt(s).depth) + replicas +
           (group.size == 1 ? ", GPU " + first
                            : ", GPUs " + first + "–" + std::to_string(group.first_gpu + group.size - 1));
  }

  bool Computes(std::size_t i) const {
    const int queue = step_.graph.operations[i].queue;
    return queue >= 0 && queue < step_.graph.groups;
  }
  bool IsTransfer(std::size_t i) const { return step_.graph.operations[i].kind == OpKind::kTransfer; }
  int NodeOf(std::size_t i) const { return NodeOfGroup(StageAt(step_.graph.operations[i].stage).group); }

  /// Slices of one thread may not overlap, messages of one node do: each goes to the first free lane of its node.
  void PlaceCommunication() {
    const auto& operations = step_.graph.operations;
    threads_.assign(operations.size(), kNotDrawn);
    std::vector<std::size_t> messages;
    for (std::size_t i = 0; i < operations.size(); ++i) {
      if (!IsDrawn(layout_, operations[i].stage, operations[i].to_stage, drawn_)) continue;
      if (Computes(i)) threads_[i] = StageAt(operations[i].stage).group;
      if (!Computes(i) && operations[i].communication >= 0) messages.push_back(i);
    }
    const auto& start = step_.times.start;
    std::stable_sort(messages.begin(), messages.end(),
                     [&](std::size_t a, std::size_t b) { return start[a] < start[b]; });
    std::map<int, std::vector<Seconds>> lanes;  // node → until when each lane is taken
    for (const std::size_t i : messages) {
      std::vector<Seconds>& taken = lanes[NodeOf(i)];
      const auto free = std::find_if(taken.begin(), taken.end(), [&](Seconds until) { return until <= start[i]; });
      const auto lane = static_cast<std::size_t>(free - taken.begin());
      if (free == taken.end()) taken.emplace_back(0.0);
      taken[lane] = step_.times.end[i];
      threads_[i] = kCommunicationThread + static_cast<int>(lane);
    }
    for (const auto& [node, taken] : lanes) NameLanes(node, static_cast<int>(taken.size()));
  }
  void NameLanes(int node, int count) {
    for (int lane = 0; lane < count; ++lane) {
      const std::string number = lane == 0 ? "" : " " + std::to_string(lane + 1);
      Name("thread_name", node, kCommunicationThread + lane, "name", "communication" + number);
      Name("thread_sort_index", node, kCommunicationThread + lane, "sort_index", kCommunicationThread + lane);
    }
  }

  void AddOperation(std::size_t i) {
    if (threads_[i] == kNotDrawn) return;
    const Operation& operation = step_.graph.operations[i];
    std::string name = KindName(operation.kind);
    if (operation.microbatch >= 0) name += " " + std::to_string(operation.microbatch);
    Json event = Event("X", name, NodeOf(i), threads_[i]);
    event["cat"] = KindName(operation.kind);
    event["ts"] = step_.times.start[i].value() * kMicro;
    event["dur"] = (step_.times.end[i] - step_.times.start[i]).value() * kMicro;
    event["args"] = Computes(i) ? ComputeArguments(i) : MessageArguments(i);
    Emit(event);
  }

  Json ComputeArguments(std::size_t i) const {
    const Operation& operation = step_.graph.operations[i];
    const Seconds duration = step_.graph.durations[i];
    Json arguments = Json::EmptyObject();
    arguments["predicted_s"] = duration.value();
    const Stage& stage = StageAt(operation.stage);
    const KindId kind = KindOf(stage, layout_, cost_.cluster());
    if (operation.microbatch < 0) {
      arguments["cost_source"] = "memory bandwidth of " + cost_.cluster().node_of_kind(kind).gpu.name;
      return arguments;
    }
    arguments["microbatch"] = operation.microbatch;
    arguments["samples"] = Json::ArrayOf(SamplesIn(plan_, layout_, stage.parts.back().module, stage.replica,
                                                   layout_.MicrobatchOf(operation.microbatch)));
    double tokens = 0;
    for (const ModulePart& part : stage.parts) {
      tokens += step_.work[Index(part.module)][Index(stage.replica)][Index(operation.microbatch)].tokens;
    }
    arguments["tokens"] = tokens;
    const OperationCost& part = CostOf(step_.costs(), operation);
    // What disturbs a step stretches the parts of an operation alike.
    const double stretch = part.time > Seconds(0) ? CostOf(step_.predicted, operation).time / part.time : 1.0;
    arguments["predicted_s"] = duration.value() * stretch;
    arguments["cost_source"] = cost_.kernels(kind).description();
    arguments["extrapolated_s"] = part.extrapolated.value();
    return arguments;
  }

  static const OperationCost& CostOf(const StepCosts& costs, const Operation& operation) {
    const PartCost& cost = costs.stages[Index(operation.stage)][Index(operation.microbatch)];
    return operation.kind == OpKind::kForward ? cost.forward : cost.backward;
  }

  Json MessageArguments(std::size_t i) const {
    const Operation& operation = step_.graph.operations[i];
    Json arguments;
    if (operation.microbatch >= 0) arguments["microbatch"] = operation.microbatch;
    arguments["bytes"] = step_.graph.communications.BytesOf(operation.communication).value();
    arguments["predicted_s"] = step_.graph.durations[i].value();
    arguments["cost_source"] = "links of " + cost_.cluster().name() + ", without contention";
    return arguments;
  }

  /// From what makes a message to the message, and from it to what waits for it.
  void AddArrowsTo(std::size_t i) {
    if (threads_[i] == kNotDrawn) return;
    for (const int needed : step_.graph.DependenciesOf(i)) {
      const std::size_t from = Index(needed);
      if (threads_[from] != kNotDrawn && (IsTransfer(i) || IsTransfer(from))) AddArrow(from, i);
    }
  }

  /// A viewer ties an arrow to the slice that encloses its time, so both times lie inside theirs.
  void AddArrow(std::size_t from, std::size_t to) {
    const OperationTimes& times = step_.times;
    Json start = Event("s", "transfer", NodeOf(from), threads_[from]);
    Json finish = Event("f", "transfer", NodeOf(to), threads_[to]);
    finish["bp"] = "e";
    for (Json* event : {&start, &finish}) {
      (*event)["cat"] = "transfer";
      (*event)["id"] = arrows_;
    }
    ++arrows_;
    start["ts"] = (times.start[from] + (times.end[from] - times.start[from]) * 0.5).value() * kMicro;
    finish["ts"] = times.start[to].value() * kMicro;
    Emit(start);
    Emit(finish);
  }

  /// Activations held by a device: up at the end of a forward, down at the end of the backward.
  void AddMemoryCounter(int group) {
    double held = 0;
    for (const int id : step_.graph.queues[Index(group)]) {
      const Operation& operation = step_.graph.operations[Index(id)];
      if (operation.microbatch < 0 || operation.kind == OpKind::kBackwardInput) continue;
      if (!step_.costs().needs_backward[Index(operation.stage)]) continue;
      const Stage& stage = StageAt(operation.stage);
      for (const ModulePart& part : stage.parts) {
        const SequenceBatch& batch = step_.work[Index(part.module)][Index(stage.replica)][Index(operation.microbatch)];
        const double bytes = cost_.Activations(part, batch).value();
        held += operation.kind == OpKind::kForward ? bytes : -bytes;
      }
      Json event = Event("C", "activations, group " + std::to_string(group), NodeOfGroup(group), group);
      event["ts"] = step_.times.end[Index(id)].value() * kMicro;
      event["args"]["bytes"] = held;
      Emit(event);
    }
  }

  const CostModel& cost_;
  const Layout& layout_;
  const BatchPlan& plan_;
  const Step& step_;
  const std::vector<bool>& drawn_;
  std::vector<int> threads_;  // of every operation, kNotDrawn where there is nothing to see
  std::int64_t arrows_ = 0;
  JsonFile file_;
};

}  // namespace

void WriteChromeTrace(const std::string& path, const CostModel& cost, const Layout& layout, const BatchPlan& plan,
                      const Step& step, const std::vector<bool>& drawn) {
  TraceWriter(path, cost, layout, plan, step, drawn).Write();
}

}  // namespace dflop
