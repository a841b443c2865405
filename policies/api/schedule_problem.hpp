// What a pipeline schedule is asked: where the stages stand, and how long each of them takes on every microbatch.
#pragma once

#include <limits>
#include <vector>

#include "base/index.hpp"
#include "base/units.hpp"
#include "sim/plan/device_order.hpp"

namespace dflop {

/// [stage]: its device. A microbatch passes the stages in turn, forward from 0; the stages of one device are its
/// chunks, numbered likewise. Every device has as many, and devices are numbered as a microbatch first meets them.
/// Several pipelines over the same devices stand one behind the other.
using Placement = std::vector<int>;

/// Stage s on device s mod devices: one chunk per device, or the interleaving of Megatron-LM (arXiv 2104.04473).
Placement InTurn(int devices, int chunks);

/// Seconds of one stage on one microbatch. A whole backward takes its two halves together.
struct StageTimes {
  Seconds forward{1};
  Seconds backward_input{1};   ///< 0, like the other half, where no gradient is wanted
  Seconds backward_weight{1};  ///< 0 where nothing is trained
  Seconds backward() const { return backward_input + backward_weight; }
};

/// One pipeline; several replicas that have to go alike are one, as slow as the slowest.
struct ScheduleProblem {
  int devices = 1;
  int microbatches = 1;
  int chunks = 1;         ///< stages on every device
  Placement placement{};  ///< of devices·chunks stages, as the schedule itself places them
  /// [stage][microbatch]; empty, as always before the batches are known: all alike.
  std::vector<std::vector<StageTimes>> times{};
  /// [stage][microbatch] for every stage but the last: seconds from the end of its forward to where the next stage may
  /// begin, and as many for the gradient on its way back, with the links otherwise idle. Empty: none takes time.
  std::vector<std::vector<Seconds>> transfers{};
  /// [stage]: what a device holds of one microbatch from the forward's start to the end of its (weight's) backward.
  /// Empty: 1 each, so that the limit counts microbatches of one stage.
  std::vector<double> held{};
  double memory_limit = std::numeric_limits<double>::infinity();  ///< of every device, in the unit of `held`
  /// Of what is held, the part that stays from the end of the input's backward to that of the weights'. Of a dense
  /// layer 32h of 34h + 5as bytes a token (arXiv 2401.10241, section 3.1); the simulator keeps all of it.
  double weight_share = 1;
  /// Pipelines over the same devices, which divide the stages: microbatch k runs through the (k mod directions)-th
  /// alone. Each holds the whole model.
  int directions = 1;
  /// Parts of every microbatch's sequence, each as long as the others and an operation of its own on every stage. On a
  /// stage they go forward in turn, as each attends to those before it, and backward from the last.
  int splits = 1;
  /// Encoders that are spread over the devices (ModuleDegrees::spread) and that the schedule places
  /// (PipelineSchedule::places_encoders); 0 where the layout does. Every device encodes a share of each microbatch, and
  /// each encoder's share is a chunk behind those of the stages. The first stage's forward waits for the shares of all
  /// devices, and all their backwards for its gradient. What they hold is not counted.
  int encoders = 0;
  /// [device][encoder][microbatch]; empty like `times`.
  std::vector<std::vector<std::vector<StageTimes>>> encoder_times{};
  /// [microbatch]: seconds from the end of the last share to where the first stage may begin, and as many on the way
  /// back, with the links otherwise idle. Empty: none.
  std::vector<Seconds> encoder_transfers{};

  int stages() const { return devices * chunks; }
  int stages_of_direction() const { return stages() / directions; }
  bool Visits(int microbatch, int stage) const { return stage / stages_of_direction() == microbatch % directions; }
  bool IsFirst(int stage) const { return stage % stages_of_direction() == 0; }
  bool IsLast(int stage) const { return (stage + 1) % stages_of_direction() == 0; }
  /// What passes a stage by itself.
  int units() const { return microbatches * splits; }
  int UnitOf(const ScheduledOp& op) const { return op.microbatch * splits + op.split; }
  /// Of a whole microbatch.
  StageTimes At(int stage, int microbatch) const {
    return times.empty() ? StageTimes{} : times[Index(stage)][Index(microbatch)];
  }
  Seconds Transfer(int stage, int microbatch) const {
    return transfers.empty() ? Seconds(0) : transfers[Index(stage)][Index(microbatch)];
  }
  bool IsEncoder(const ScheduledOp& op) const { return op.chunk >= chunks; }
  StageTimes EncoderAt(int device, int encoder, int microbatch) const {
    return encoder_times.empty() ? StageTimes{} : encoder_times[Index(device)][Index(encoder)][Index(microbatch)];
  }
  Seconds EncoderTransfer(int microbatch) const {
    return encoder_transfers.empty() ? Seconds(0) : encoder_transfers[Index(microbatch)];
  }
  double Held(int stage) const { return held.empty() ? 1.0 : held[Index(stage)]; }
  /// Nothing but the shape of the pipeline: what is asked once per job.
  bool HasShapeOnly() const {
    return times.empty() && transfers.empty() && held.empty() && encoder_times.empty() && encoder_transfers.empty() &&
           memory_limit == std::numeric_limits<double>::infinity() && weight_share == 1;
  }
  /// [device][chunk]: the stage.
  std::vector<std::vector<int>> StagesOfDevices() const;
};

}  // namespace dflop
