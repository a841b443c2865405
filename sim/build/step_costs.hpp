// What the operations of a step cost, before they are put in an order.
#pragma once

#include <map>
#include <span>
#include <tuple>
#include <vector>

#include "sim/build/replica_classes.hpp"
#include "sim/graph/communication.hpp"
#include "sim/graph/op_kind.hpp"
#include "sim/graph/operation_graph.hpp"
#include "sim/plan/batch_plan.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

/// A piece of an operation that an engine should see: computation, and communication beside it.
struct CostPart {
  Seconds computation{0};
  Communication communication{};
};

/// What a unit takes of its stage's time; those of all units add up to 1 each.
struct UnitShare {
  double forward = 0;
  double backward = 0;
  double weight_gradient = 0;
};

/// Cost of every stage on every microbatch.
struct StepCosts {
  /// An operation's place: stage, microbatch, kind.
  using Place = std::tuple<int, int, OpKind>;

  /// [stage][microbatch], summed over the stage's parts; nothing for stages that another replica stands for.
  std::vector<std::vector<PartCost>> stages;
  std::vector<bool> needs_backward;  ///< [stage]
  std::vector<Seconds> optimizer;    ///< [stage]
  /// Operations that run in parts, one after the other, instead of the time that `stages` says. PriceStep gives none.
  std::map<Place, std::vector<CostPart>> parts{};
  /// [stage][microbatch][unit]: of stages that run unit by unit; no entries: none does.
  std::vector<std::vector<std::vector<UnitShare>>> units{};
};
/// The units of a stage, in the order of its forward; none where its parameters stay where they are.
std::vector<ModulePart> GatheredUnits(const CostModel& cost, const Layout& layout, const Stage& stage);
/// Everything takes `factor` times as long.
void SlowDown(OperationCost& cost, double factor);
void SlowDown(PartCost& cost, double factor);

/// Of a computation; zero for what costs do not tell. Not for one that runs in parts.
Seconds DurationOf(const Operation& operation, const StepCosts& costs);

/// Calls visit(index, duration) for every operation of the graph whose duration costs decide.
template <typename Visit>
void ForEachDuration(const OperationGraph& graph, const StepCosts& costs, Visit visit) {
  for (std::size_t i = 0; i < graph.operations.size(); ++i) {
    const Operation& operation = graph.operations[i];
    const bool computes = operation.queue >= 0 && operation.queue < graph.groups;
    if (computes && graph.PartsOf(i).empty()) visit(i, DurationOf(operation, costs) * graph.TimeShareOf(i));
  }
}

/// Of a step in which no operation takes any time; which stages have a backward follows from the model.
StepCosts NoCosts(const CostModel& cost, const Layout& layout);

/// `classes`: of replicas that one stands for; none: every one is priced. `reused`: costs of the same layout, whose
/// memory serves again.
StepCosts PriceStep(const CostModel& cost, const Layout& layout, const StepWork& work,
                    std::span<const ReplicaClass> classes = {}, StepCosts reused = {});

}  // namespace dflop
