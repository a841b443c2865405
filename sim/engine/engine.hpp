// What runs an operation graph and says when everything happened.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/units.hpp"
#include "sim/graph/operation_graph.hpp"
#include "sim/graph/silent_kinds.hpp"
#include "sim/graph/sweep_order.hpp"

namespace dflop {

class ClusterSpec;

/// Start and end of every operation, from the start of the step.
struct OperationTimes {
  std::vector<Seconds> start;
  std::vector<Seconds> end;
  Seconds makespan{0};
};

class Engine {
 public:
  virtual ~Engine() = default;
  /// `order`: of the graph, which may be told once for many runs. What is silent takes no time and holds up nobody.
  /// `reused`: times of an earlier run whose memory may serve again.
  virtual OperationTimes Run(const OperationGraph& graph, const SweepOrder& order, const SilentKinds& silent,
                             OperationTimes reused) = 0;
  OperationTimes Run(const OperationGraph& graph, const SweepOrder& order, const SilentKinds& silent) {
    return Run(graph, order, silent, {});
  }
  OperationTimes Run(const OperationGraph& graph) { return Run(graph, SweepOrder(graph), {}); }
  virtual std::string name() const = 0;
  /// Whether messages slow each other down.
  virtual bool contends() const = 0;
};

/// Longest path; links never contend between communications. Exact, and ~10⁷ operations a second.
std::unique_ptr<Engine> MakeReplayEngine();

/// Flows share NVLinks and NICs on a SimGrid platform. One per process (SimGrid's own limit). Throws InputError when
/// the program was built without SimGrid.
std::unique_ptr<Engine> MakeSimGridEngine(const ClusterSpec& cluster);

/// Whether this build has the simgrid engine.
bool HasSimGridEngine();

/// Which engines this build has: "replay", and "simgrid" unless built with DFLOP_SIMGRID=OFF.
std::vector<std::string> EngineNames();
std::unique_ptr<Engine> MakeEngine(const std::string& name, const ClusterSpec& cluster);

}  // namespace dflop
