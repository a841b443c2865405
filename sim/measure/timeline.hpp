// What happened when: the type that the simulator and the real runner both make, and everything after them reads.
#pragma once

#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "base/units.hpp"
#include "sim/engine/engine.hpp"
#include "sim/graph/bounds.hpp"
#include "sim/graph/operation_graph.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

struct TimelineEvent {
  OpKind kind = OpKind::kForward;
  int stage = -1;     ///< index into the layout's stages
  int to_stage = -1;  ///< transfers
  int microbatch = -1;
  int group = -1;  ///< device group, −1 for communication
  Seconds start{0};
  Seconds end{0};
};

struct Timeline {
  std::vector<TimelineEvent> events;  ///< by start, then by operation
  Seconds makespan{0};
};

/// Whether it is an event: a computation or a message, not a mere meeting point of dependencies.
bool IsEvent(const OperationGraph& graph, const Operation& operation);
/// The device group that computes it, −1 for communication.
int ComputingGroup(const OperationGraph& graph, const Operation& operation);

/// Whether all devices of an operation are drawn: those of its stage and of the stage that waits for it, where it has
/// them. `drawn`: [device group].
bool IsDrawn(const Layout& layout, int stage, int to_stage, const std::vector<bool>& drawn);

Timeline MakeTimeline(const OperationGraph& graph, const OperationTimes& times);
/// Of the device groups that are drawn alone.
Timeline MakeTimeline(const OperationGraph& graph, const OperationTimes& times, const Layout& layout,
                      const std::vector<bool>& drawn);

/// dflop/timeline/1: the layout's stages and the events of one step.
Json TimelineToJson(const Timeline& timeline, const Layout& layout, const ModelSpec& model);
/// The same as a file, event by event, with the members of `more` at its end. Of the device groups that are not `drawn`
/// there are neither stages nor events; `device_groups` says how many there are of all.
void WriteTimeline(const std::string& path, const Timeline& timeline, const Layout& layout, const ModelSpec& model,
                   const std::vector<bool>& drawn, const Json& more);
Timeline ReadTimeline(const JsonReader& json);
/// The array under "events".
std::vector<TimelineEvent> ReadTimelineEvents(const JsonReader& json);

}  // namespace dflop
