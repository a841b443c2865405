// All-reduce over a transport: every participant adds up one share of the values and passes the sum to the others,
// which moves 2(n − 1)/n of them over each link, as a ring does. Sums run in the order of the participants, so that
// every rank and every repeat gets the same bits.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "real_runner/messages/transport.hpp"
#include "real_runner/program/step_program.hpp"

namespace dflop {

struct CollectiveSpan {
  double start_s = 0;  ///< when the last participant was ready
  double end_s = 0;    ///< here
};

/// What a collective's parcels are called, beyond the names of the step's messages: in phase 0 … kCollectivePhases − 1,
/// from one participant to another (places in Collective::stages).
inline constexpr int kCollectivePhases = 3;
inline std::int64_t CollectiveParcel(const StepProgram& program, std::size_t index, int phase, std::size_t from,
                                     std::size_t to) {
  const auto pairs = [&](std::size_t i) {
    const auto participants = static_cast<std::int64_t>(program.collectives[i].stages.size());
    return participants * participants;
  };
  auto name = static_cast<std::int64_t>(program.messages.size());
  for (std::size_t i = 0; i < index; ++i) name += kCollectivePhases * pairs(i);
  const std::size_t size = program.collectives[index].stages.size();
  return name + phase * pairs(index) + static_cast<std::int64_t>(from * size + to);
}

/// Sums `values(stage)` over the collective's stages, on every rank that takes part. `index`: its place in
/// StepProgram::collectives, from which the parcels have their names; `delay` > 0: a simulated link ends it that long
/// after its start, not before. `ready_s`: when this rank was ready.
CollectiveSpan AllReduce(const StepProgram& program, std::size_t index,
                         const std::function<std::span<float>(int stage)>& values, double delay, double ready_s,
                         Transport& transport);

}  // namespace dflop
