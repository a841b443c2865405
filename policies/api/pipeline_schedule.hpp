// Interface of pipeline schedules: where a device's chunks stand in the pipeline, and in which order it runs the
// forwards and backwards of its microbatches.
//
// A whole schedule, with each backward in two halves and the weights' all at the end:
//
//   class SplitGPipe final : public PipelineSchedule {
//    public:
//     std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
//       DeviceOrder order;
//       for (const OpKind kind : {OpKind::kForward, OpKind::kBackwardInput, OpKind::kBackwardWeight}) {
//         for (int k = 0; k < problem.microbatches; ++k) order.push_back({kind, k});
//       }
//       return std::vector<DeviceOrder>(Index(problem.devices), order);
//     }
//   };
#pragma once

#include <string>
#include <vector>

#include "policies/api/schedule_problem.hpp"
#include "sim/plan/batch_plan.hpp"
#include "sim/plan/device_order.hpp"
#include "sim/plan/job.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

class PipelineSchedule {
 public:
  virtual ~PipelineSchedule() = default;
  /// [device]: what it runs, an operation's chunk counting the device's chunks. Deterministic in the problem; a
  /// schedule that is not per step sees its shape only. Throws Infeasible when the schedule does not exist for so many
  /// microbatches or so little memory.
  virtual std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const = 0;
  /// Chunks of layers per device that the schedule wants.
  virtual int chunks() const { return 1; }
  /// Pipelines of which every device holds a stage, so that there are as many copies of the weights
  /// (ScheduleProblem::directions).
  virtual int directions() const { return 1; }
  /// Parts into which it divides the sequence of every microbatch (ScheduleProblem::splits).
  virtual int splits() const { return 1; }
  /// Where it wants them.
  virtual Placement placement(int devices) const { return InTurn(devices, chunks()); }
  /// Whether its orders say where the operations of spread encoders stand (ScheduleProblem::encoders). Otherwise the
  /// layout has all their forwards before and all their backwards behind the pipeline.
  virtual bool places_encoders() const { return false; }
  /// Whether it looks at times, and so is asked anew in every step, once the batches are known. Before that it is asked
  /// with all times alike: whoever divides the batches knows no better orders.
  virtual bool per_step() const { return false; }
  /// What a run should name of the orders given last, as which of several schedules they are; "" for nothing.
  virtual std::string note() const { return ""; }
};

/// A pipeline of this schedule: its shape, no times.
ScheduleProblem ShapeOf(const PipelineSchedule& schedule, int devices, int microbatches);

/// The order of every device group of a layout, no times known. A chunk may be several stages that follow each other on
/// a device; they then run one after the other. Throws Infeasible when the layout does not have the chunks that the
/// schedule wants, or not where it wants them.
std::vector<DeviceOrder> OrdersOf(const PipelineSchedule& schedule, const Layout& layout);

/// The same in a step that a per-step schedule is told the predicted times of (PriceStep); empty where they are those
/// of the job. Replicas are pipelines of their own, unless messages between them tie one's microbatch to the other's.
std::vector<DeviceOrder> OrdersOfStep(const PipelineSchedule& schedule, const Job& job, const StepWork& work);

}  // namespace dflop
