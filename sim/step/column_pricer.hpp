// What the operations of one column of buckets last, without the rest of the step.
//
// A column is the smallest set of buckets whose operations depend on no other bucket: one microbatch of one replica in
// a homogeneous layout; the microbatches of one index over all replicas where encoders have devices of their own, for
// those run the union. It is priced as a step of its own with this one microbatch, by the same code as a whole step.
#pragma once

#include <functional>
#include <vector>

#include "sim/build/step_costs.hpp"
#include "sim/graph/operation_graph.hpp"
#include "sim/plan/batch_plan.hpp"
#include "sim/plan/device_order.hpp"

namespace dflop {

/// Changes predicted costs before they become durations (an adaptive correction does); empty = as predicted.
using AdjustCosts = std::function<void(const Layout& layout, const Buckets& buckets, StepCosts& costs)>;

/// Sample indices by replica of the column: one entry, or one per LLM replica.
using ColumnBuckets = std::vector<std::vector<int>>;

/// Sorts the operations of one column into an order that is the same in every graph of the same stages, whatever else
/// these graphs hold. `splits`: of the layout.
void SortColumn(const OperationGraph& graph, int splits, std::vector<int>& operations);

/// Whether a microbatch's operations depend on its place, as some backwards of a stage are whole and others two, or
/// some in pairs. A column then has both halves of every backward, and the time of each operation alone.
bool ColumnsInHalves(const std::vector<DeviceOrder>& orders);

class ColumnPricer {
 public:
  /// Everything outlives the pricer.
  ColumnPricer(const CostModel& cost, const Layout& layout, const std::vector<DeviceOrder>& orders,
               const std::vector<SampleShape>& batch, AdjustCosts adjust);

  /// In the order of SortColumn. `replica`: 0 where a column spans all of them.
  std::vector<Seconds> Price(int replica, const ColumnBuckets& buckets) const;

 private:
  /// Stages of some replicas with one microbatch, on as few device groups as they need.
  struct Excerpt {
    Layout layout;
    std::vector<DeviceOrder> orders;
  };
  static Excerpt MakeExcerpt(const Layout& layout, const std::vector<DeviceOrder>& orders, int only_replica);
  OperationGraph Graph(const Excerpt& excerpt, const ColumnBuckets& buckets) const;

  const CostModel& cost_;
  const std::vector<SampleShape>& batch_;
  AdjustCosts adjust_;
  std::vector<Excerpt> excerpts_;  ///< [replica]; one where a column spans them all
};

}  // namespace dflop
