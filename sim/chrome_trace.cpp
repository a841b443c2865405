#include "sim/chrome_trace.hpp"

#include <map>
#include <string>

#include "base/index.hpp"
#include "sim/timeline.hpp"

namespace dflop {
namespace {

constexpr double kMicro = 1e6;
constexpr int kCommunicationThread = 1 << 20;  // sorts below the device groups of its node

class TraceWriter {
 public:
  TraceWriter(const CostModel& cost, const Layout& layout, const BatchPlan& plan, const Step& step)
      : cost_(cost), layout_(layout), plan_(plan), step_(step) {}

  Json Write() {
    trace_["displayTimeUnit"] = "ms";
    trace_["traceEvents"] = Json::EmptyArray();
    NameThreads();
    for (std::size_t i = 0; i < step_.graph.operations.size(); ++i) AddOperation(i);
    for (std::size_t g = 0; g < layout_.groups.size(); ++g) AddMemoryCounter(static_cast<int>(g));
    return std::move(trace_);
  }

 private:
  const Stage& StageAt(int s) const { return layout_.stages[Index(s)]; }
  int NodeOfGroup(int g) const { return cost_.cluster().node_of(layout_.groups[Index(g)].first_gpu); }
  void Emit(Json event) { trace_["traceEvents"].push_back(std::move(event)); }

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
    Emit(std::move(event));
  }

  void NameThreads() {
    std::map<int, bool> named;
    for (int s = 0; s < static_cast<int>(layout_.stages.size()); ++s) {
      const Stage& stage = StageAt(s);
      const int node = NodeOfGroup(stage.group);
      if (!named[node]) {
        Name("process_name", node, 0, "name", "node " + std::to_string(node));
        Name("process_sort_index", node, 0, "sort_index", node);
        Name("thread_name", node, kCommunicationThread, "name", "communication");
        Name("thread_sort_index", node, kCommunicationThread, "sort_index", kCommunicationThread);
        named[node] = true;
      }
      Name("thread_name", node, stage.group, "name", ThreadName(s));
      Name("thread_sort_index", node, stage.group, "sort_index", stage.group);
    }
  }
  std::string ThreadName(int s) const {
    std::string modules;
    for (const ModulePart& part : StageAt(s).parts) {
      modules += (modules.empty() ? "" : " + ") + cost_.model().module_name(part.module);
    }
    const DeviceGroup& group = layout_.groups[Index(StageAt(s).group)];
    return modules + " stage " + std::to_string(StageAt(s).depth) + ", replica " + std::to_string(StageAt(s).replica) +
           ", GPUs " + std::to_string(group.first_gpu) + "–" + std::to_string(group.first_gpu + group.size - 1);
  }

  void AddOperation(std::size_t i) {
    const Operation& operation = step_.graph.operations[i];
    const bool computes = operation.queue >= 0 && operation.queue < step_.graph.groups;
    if (!computes && operation.communication < 0) return;
    const int group = StageAt(operation.stage).group;
    const int node = NodeOfGroup(group);
    std::string name = KindName(operation.kind);
    if (operation.microbatch >= 0) name += " " + std::to_string(operation.microbatch);
    Json event = Event("X", name, node, computes ? group : kCommunicationThread);
    event["cat"] = KindName(operation.kind);
    event["ts"] = step_.times.start[i].value() * kMicro;
    event["dur"] = (step_.times.end[i] - step_.times.start[i]).value() * kMicro;
    event["args"] = computes ? ComputeArguments(operation) : MessageArguments(operation);
    Emit(std::move(event));
    if (operation.kind == OpKind::kTransfer) AddArrow(i, node);
  }

  Json ComputeArguments(const Operation& operation) const {
    Json arguments = Json::EmptyObject();
    arguments["predicted_s"] = operation.duration.value();
    if (operation.microbatch < 0) return arguments;
    const Stage& stage = StageAt(operation.stage);
    arguments["microbatch"] = operation.microbatch;
    double tokens = 0;
    for (const ModulePart& part : stage.parts) {
      tokens += step_.work[Index(part.module)][Index(stage.replica)][Index(operation.microbatch)].tokens;
    }
    arguments["tokens"] = tokens;
    if (stage.replica < static_cast<int>(plan_.buckets.size()) && HoldsLlm(stage)) {
      arguments["samples"] = Json::ArrayOf(plan_.buckets[Index(stage.replica)][Index(operation.microbatch)]);
    }
    const PartCost& cost = step_.costs.stages[Index(operation.stage)][Index(operation.microbatch)];
    const OperationCost& part = operation.kind == OpKind::kForward ? cost.forward : cost.backward;
    arguments["cost_source"] = cost_.kernels().description();
    arguments["extrapolated_s"] = part.extrapolated.value();
    return arguments;
  }
  bool HoldsLlm(const Stage& stage) const { return cost_.model().is_llm(stage.parts.back().module); }

  Json MessageArguments(const Operation& operation) const {
    Bytes bytes{0};
    for (const Flow& flow : step_.graph.communications[Index(operation.communication)].flows) bytes += flow.bytes;
    Json arguments;
    arguments["microbatch"] = operation.microbatch;
    arguments["bytes"] = bytes.value();
    arguments["uncontended_s"] = operation.duration.value();
    return arguments;
  }

  void AddArrow(std::size_t i, int node) {
    const Operation& operation = step_.graph.operations[i];
    if (operation.to_stage < 0 || operation.to_stage == operation.stage) return;
    const int target = StageAt(operation.to_stage).group;
    Json start = Event("s", "transfer", node, StageAt(operation.stage).group);
    Json finish = Event("f", "transfer", NodeOfGroup(target), target);
    finish["bp"] = "e";
    for (Json* event : {&start, &finish}) {
      (*event)["cat"] = "transfer";
      (*event)["id"] = i;
    }
    start["ts"] = step_.times.start[i].value() * kMicro;
    finish["ts"] = step_.times.end[i].value() * kMicro;
    Emit(std::move(start));
    Emit(std::move(finish));
  }

  /// Activations held by a device: up at the end of a forward, down at the end of the backward.
  void AddMemoryCounter(int group) {
    double held = 0;
    for (const int id : step_.graph.queues[Index(group)]) {
      const Operation& operation = step_.graph.operations[Index(id)];
      if (operation.microbatch < 0 || operation.kind == OpKind::kWeightGradient) continue;
      if (!step_.costs.needs_backward[Index(operation.stage)]) continue;
      const Stage& stage = StageAt(operation.stage);
      for (const ModulePart& part : stage.parts) {
        const SequenceBatch& batch = step_.work[Index(part.module)][Index(stage.replica)][Index(operation.microbatch)];
        const double bytes = cost_.Activations(part, batch).value();
        held += operation.kind == OpKind::kForward ? bytes : -bytes;
      }
      Json event = Event("C", "activations, group " + std::to_string(group), NodeOfGroup(group), group);
      event["ts"] = step_.times.end[Index(id)].value() * kMicro;
      event["args"]["bytes"] = held;
      Emit(std::move(event));
    }
  }

  const CostModel& cost_;
  const Layout& layout_;
  const BatchPlan& plan_;
  const Step& step_;
  Json trace_;
};

}  // namespace

Json ChromeTrace(const CostModel& cost, const Layout& layout, const BatchPlan& plan, const Step& step) {
  return TraceWriter(cost, layout, plan, step).Write();
}

}  // namespace dflop
