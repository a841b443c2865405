// How the stages and device groups of a layout are those of a schedule's pipeline.
#pragma once

#include <vector>

#include "policies/api/pipeline_schedule.hpp"

namespace dflop {

class LayoutPipeline {
 public:
  static constexpr int kAllRows = -1;

  /// Throws Infeasible as OrdersOf does. The layout must outlive it.
  LayoutPipeline(const PipelineSchedule& schedule, const Layout& layout);

  /// Of one row of devices: the microbatches of both directions where there are two, which take turns.
  const ScheduleProblem& shape() const { return shape_; }
  /// [stage of the layout]: the stage of the pipeline that it is, or is a part of; −1: an encoder that is spread over
  /// the pipeline's devices.
  std::vector<int> ScheduleStages() const;
  /// [stage of the layout]: of which device it is a spread encoder, and which one; −1, −1: it is none.
  struct SpreadPlace {
    int device = -1;
    int encoder = -1;
  };
  std::vector<SpreadPlace> SpreadPlaces() const;
  /// The microbatch of the pipeline that microbatch k of a stage's replica is.
  int MicrobatchOf(const Stage& stage, int k) const {
    return k * layout_.directions + layout_.DirectionOf(stage.replica);
  }
  /// Writes the orders of a pipeline's devices to the device groups of one row (Layout::RowOf) or of all. Encoders that
  /// are spread over them run where the schedule placed them; where it places none they encode all microbatches before,
  /// and run all backwards behind.
  void Give(const std::vector<DeviceOrder>& by_device, int row, std::vector<DeviceOrder>& orders) const;

 private:
  void CheckExpressible(const PipelineSchedule& schedule) const;
  void CheckChunks(int chunks) const;
  Placement PlacementOfLayout() const;
  void FindAhead(int chunks);
  DeviceOrder Ahead(const DeviceOrder& first, const Stage& stage) const;
  int DeviceOf(const Stage& stage) const;

  const Layout& layout_;
  std::vector<int> positions_;  ///< [depth]: device of the pipeline, on the way down
  std::vector<bool> spread_;    ///< [stage]
  /// [stage]: of an encoder on devices of its own that feeds a pipeline with chunks. The schedule orders the LLM's
  /// devices alone; the encoder runs ahead of the first as 1f1b would.
  std::vector<bool> ahead_;
  std::vector<int> held_;      ///< [group]: stages of the pipeline
  std::vector<int> encoders_;  ///< [group]: that are spread over it; they are its first chunks
  ScheduleProblem shape_;
};

}  // namespace dflop
