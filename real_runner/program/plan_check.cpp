// Layout, orders and batches first, since the graph that the operations are compared with is built from them.
#include "real_runner/program/plan_check.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "base/error.hpp"
#include "base/index.hpp"
#include "models/tensor_parallel.hpp"
#include "real_runner/program/plan_graph.hpp"
#include "sim/build/replica_classes.hpp"
#include "sim/graph/op_kind.hpp"
#include "sim/graph/precedence.hpp"
#include "sim/measure/timeline.hpp"
#include "sim/plan/device_order.hpp"
#include "sim/plan/layout_check.hpp"

namespace dflop {
namespace {

constexpr double kByteTolerance = 1e-9;  // the file holds every digit

class PlanChecker {
 public:
  PlanChecker(const Plan& plan, const std::string& file) : plan_(plan), file_(file), cost_(UnpricedCosts(plan)) {}

  void Check() const {
    const LayoutFault fault = FindFault(plan_.layout, plan_.model, plan_.cluster);
    if (!fault.what.empty()) Fail("/layout" + fault.pointer, fault.what);
    if (plan_.layout.joins() && plan_.layout.communicator.blocking) {
      Fail("/layout/communicator", "blocks, which only the simulator can: the runner's messages go beside computation");
    }
    for (const auto& [asked, key] : {std::pair(plan_.software.blocking_sends, "blocking_sends"),
                                     std::pair(plan_.software.overlap_parameters, "overlap_parameters")}) {
      if (asked) Fail(std::string("/software/") + key, "is true, which only the simulator can do, the runner cannot");
    }
    const std::vector<bool> spread = SpreadStages(plan_.layout);
    if (std::find(spread.begin(), spread.end(), true) != spread.end()) {
      Fail("/layout/stages", "spreads an encoder over the LLM's devices, which only the simulator can");
    }
    if (MeetWithinStep(cost_, plan_.layout)) {
      Fail("/software",
           "or the layout lets replicas meet within the step (sharding zero2 or zero3, reductions every microbatch, "
           "experts over several replicas), which only the simulator can");
    }
    CheckOrders(plan_.orders, "/orders");
    if (plan_.steps.empty()) Fail("/steps", "is empty, at least one step is wanted");
    for (std::size_t step = 0; step < plan_.steps.size(); ++step) {
      CheckBatch(step);
      if (HasOwnOrders(step)) CheckOrders(plan_.steps[step].orders, PlaceOfOrders(step));
      CheckOperations(step);
    }
  }

 private:
  [[noreturn]] void Fail(const std::string& pointer, const std::string& what) const {
    throw InputError(file_, pointer, what);
  }

  bool HasOwnOrders(std::size_t step) const { return !plan_.steps[step].orders.empty(); }
  /// Where the file has the orders that the step runs.
  std::string PlaceOfOrders(std::size_t step) const {
    return HasOwnOrders(step) ? "/steps/" + std::to_string(step) + "/orders" : "/orders";
  }

  void CheckOrders(const std::vector<DeviceOrder>& orders, const std::string& place) const {
    std::vector<std::vector<int>> stages_of(plan_.layout.groups.size());
    for (std::size_t s = 0; s < plan_.layout.stages.size(); ++s) {
      stages_of[Index(plan_.layout.stages[s].group)].push_back(static_cast<int>(s));
    }
    for (std::size_t g = 0; g < stages_of.size(); ++g) {
      CheckOrder(orders[g], stages_of[g], place + "/" + std::to_string(g));
    }
  }

  void CheckOrder(const DeviceOrder& order, const std::vector<int>& stages, const std::string& here) const {
    std::map<std::tuple<OpKind, int, int>, int> times;  // by kind, chunk, microbatch
    for (std::size_t i = 0; i < order.size(); ++i) {
      const std::string at = here + "/" + std::to_string(i);
      const ScheduledOp& op = order[i];
      if (!IsComputation(op.kind)) Fail(at + "/kind", "is no computation: " + std::string(KindName(op.kind)));
      if (op.chunk >= static_cast<int>(stages.size())) {
        Fail(at + "/chunk", "names stage " + std::to_string(op.chunk) + " of the device, which has " +
                                std::to_string(stages.size()) + ", numbered from 0");
      }
      if (op.microbatch >= plan_.layout.units()) {
        Fail(at + "/microbatch", "is not below the layout's " + std::to_string(plan_.layout.units()));
      }
      if (op.pair > 0 && op.pair < 1) {
        Fail(at + "/pair", "is below 1: a forward and a backward that overlap; a device here runs one after the other");
      }
      if (++times[{op.kind, op.chunk, op.microbatch}] > 1) Fail(at, "runs an operation a second time");
    }
    for (int chunk = 0; chunk < static_cast<int>(stages.size()); ++chunk) {
      const auto& parts = plan_.layout.stages[Index(stages[Index(chunk)])].parts;
      const bool backward =
          std::any_of(parts.begin(), parts.end(), [&](const ModulePart& part) { return cost_.NeedsBackward(part); });
      for (int k = 0; k < plan_.layout.units(); ++k) {
        const auto runs = [&](OpKind kind) { return times.contains({kind, chunk, k}); };
        const bool split = runs(OpKind::kBackwardInput) || runs(OpKind::kBackwardWeight);
        if (split && runs(OpKind::kBackward)) Fail(here, "runs a backward whole and in parts");
        for (const OpKind kind :
             {OpKind::kForward, OpKind::kBackward, OpKind::kBackwardInput, OpKind::kBackwardWeight}) {
          const bool wanted = kind == OpKind::kForward || (backward && (kind == OpKind::kBackward) != split);
          if (!wanted || runs(kind)) continue;
          Fail(here, "leaves out " + std::string(KindName(kind)) + " of microbatch " + std::to_string(k) +
                         " on its stage " + std::to_string(chunk));
        }
      }
    }
  }

  void CheckBatch(std::size_t step) const {
    const auto& batch = plan_.steps[step].batch;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const std::string at = "/steps/" + std::to_string(step) + "/batch/" + std::to_string(i);
      if (batch[i].tiles.size() != plan_.model.encoders.size()) {
        Fail(at + "/tiles", "has " + std::to_string(batch[i].tiles.size()) + " entries, the model " +
                                std::to_string(plan_.model.encoders.size()) + " encoders");
      }
      if (batch[i].llm_tokens < 1) Fail(at + "/llm_tokens", "must be at least 1");
      if (batch[i].text_tokens > batch[i].llm_tokens) Fail(at + "/text_tokens", "exceeds llm_tokens");
    }
    if (!EncodedIn(plan_.steps[step].plan, batch.size()).empty()) {
      Fail("/steps/" + std::to_string(step) + "/encoder_batch_plans",
           "encodes samples in earlier microbatches than the LLM runs them in, which only the simulator can");
    }
  }

  void CheckOperations(std::size_t step) const {
    const OperationGraph graph = BareGraphOf(plan_, step);
    const std::string stuck = Precedence::WhyStuck(graph);
    if (!stuck.empty()) Fail(PlaceOfOrders(step), stuck);
    const auto& planned = plan_.steps[step].operations;
    const std::string here = "/steps/" + std::to_string(step) + "/operations";
    const std::vector<PlannedOperation> expected = PlannedOperations(graph);
    if (planned.size() != expected.size()) {
      Fail(here, "has " + std::to_string(planned.size()) + " entries; layout, orders and batch make " +
                     std::to_string(expected.size()));
    }
    for (std::size_t i = 0; i < planned.size(); ++i) {
      const std::string at = here + "/" + std::to_string(i);
      PlannedOperation operation = planned[i];
      const double more = std::abs(operation.bytes.value() - expected[i].bytes.value());
      operation.time = expected[i].time;
      operation.bytes = expected[i].bytes;
      if (operation != expected[i]) {
        Fail(at, "is another operation than layout and orders make, " + std::string(KindName(expected[i].kind)) +
                     " of microbatch " + std::to_string(expected[i].microbatch) + " on stage " +
                     std::to_string(expected[i].stage));
      }
      if (more > kByteTolerance * expected[i].bytes.value()) {
        Fail(at + "/bytes", "is " + ShortestNumber(planned[i].bytes.value()) + ", model and batch make " +
                                ShortestNumber(expected[i].bytes.value()));
      }
    }
  }

  const Plan& plan_;
  const std::string& file_;
  CostModel cost_;
};

}  // namespace

void CheckPlan(const Plan& plan, const std::string& file) { PlanChecker(plan, file).Check(); }

void PadVocabulary(Plan& plan) {
  const int ranks = DegreesOf(plan.layout).back().tp;
  plan.model.llm.vocab =
      static_cast<int>(PaddedVocabulary(plan.model.llm.vocab, plan.software.vocabulary_multiple, ranks));
}

}  // namespace dflop
