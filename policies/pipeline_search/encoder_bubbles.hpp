// Where the operations of spread encoders stand among those of an LLM's pipeline, and how they fit into its bubbles.
//
// Optimus (Feng et al., ATC 2025, arXiv 2408.03505): encoders on all of the LLM's devices, their work first before the
// first and behind the last operation of a device, then in the gaps inside, each microbatch encoded before the LLM
// begins it. Own design, as no code is public: operations stay whole where the paper splits them kernel by kernel; a
// device keeps the order in which the first stage wants the microbatches, as a hub sends in it, so that a gap is left
// for good once an operation does not fit. What does not fit holds up the whole pipeline, by the least time that
// serves.
#pragma once

#include <vector>

#include "policies/api/timed_orders.hpp"

namespace dflop {

/// [device][microbatch]: before which of the LLM's operations of the device all encoders run, 0: before the first.
/// Microbatches at the same place go in the order of EncoderTurns.
using EncoderPlaces = std::vector<std::vector<int>>;

struct EncoderTurns {
  std::vector<int> forward;   ///< microbatches as the first stage begins them
  std::vector<int> backward;  ///< and as it gives their gradients
};
EncoderTurns TurnsOf(const DeviceOrder& first_device);

/// All before the pipeline, or all behind it.
EncoderPlaces EncodedBefore(const std::vector<DeviceOrder>& llm, int microbatches);
EncoderPlaces EncodedBehind(const std::vector<DeviceOrder>& llm, int microbatches);

/// In step with the device's own forwards or backwards, `lead` microbatches before or behind them.
EncoderPlaces ForwardsInStep(const std::vector<DeviceOrder>& llm, const EncoderTurns& turns, int lead);
EncoderPlaces BackwardsInStep(const std::vector<DeviceOrder>& llm, const EncoderTurns& turns, int lead);

/// By a run of the LLM alone, or with what is placed already: operations of encoders in it are work as any, those that
/// are asked for are left out. The least delay is found by bisection. `near`: with that delay as near to the first
/// stage's operation as possible, where it is held for the shortest time; otherwise as far from it.
EncoderPlaces ForwardsInBubbles(const TimedOrders& run, const ScheduleProblem& problem, const EncoderTurns& turns,
                                bool near);
EncoderPlaces BackwardsInBubbles(const TimedOrders& run, const ScheduleProblem& problem, const EncoderTurns& turns,
                                 bool near);

/// The LLM's orders with the encoders' operations; of both at one place the forwards go first.
std::vector<DeviceOrder> WithEncoders(const std::vector<DeviceOrder>& llm, const ScheduleProblem& problem,
                                      const EncoderTurns& turns, const EncoderPlaces& forwards,
                                      const EncoderPlaces& backwards);

}  // namespace dflop
