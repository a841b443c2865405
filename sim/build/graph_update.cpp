// Messages are met boundary by boundary, as their ways are known once for all microbatches.
#include "sim/build/graph_update.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/index.hpp"
#include "sim/build/shared_cuts.hpp"
#include "sim/build/stage_boundary.hpp"

namespace dflop {
namespace {

int DepthOf(const Layout& layout, int stage) { return layout.stages[Index(stage)].depth; }

}  // namespace

bool MayUpdate(const Job& job, const StepWork& work, const OperationGraph& graph) {
  return !ReplicasMeet(job.layout, work) && graph.part_begin.empty();
}

void UpdateGraph(const Job& job, const StepWork& work, const StepCosts& costs, OperationGraph& graph) {
  ForEachDuration(graph, costs, [&](std::size_t i, Seconds duration) { graph.durations[i] = duration; });
  std::pair<int, int> last(-1, -1);
  std::optional<StageBoundary> boundary;
  for (std::size_t i = 0; i < graph.operations.size(); ++i) {
    const Operation& operation = graph.operations[i];
    if (operation.kind != OpKind::kTransfer || operation.communication < 0) continue;
    const bool forward = DepthOf(job.layout, operation.stage) < DepthOf(job.layout, operation.to_stage);
    const std::pair stages =
        forward ? std::pair(operation.stage, operation.to_stage) : std::pair(operation.to_stage, operation.stage);
    if (stages != last) boundary.emplace(job, work, stages.first, stages.second);
    last = stages;
    const StageWay& way = forward ? boundary->Forward() : boundary->Backward();
    const Bytes bytes = boundary->BytesOf(operation.microbatch, !forward);
    graph.communications.Change(operation.communication, way.PerFlow(bytes).value(), way.Latency(bytes));
    graph.durations[i] = way.Time(bytes);
  }
  ShareCuts(job.cost.cluster(), graph);
}

}  // namespace dflop
