// What the executor asks of a backend: the computations of one rank's stages, and the tensors of its messages.
//
// One worker per rank, used by one thread. The step's data (pixels, token ids, targets) are made by Prepare, outside
// the time that is measured. Every implementation keeps what it needs between a microbatch's forward and its backward.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "real_runner/messages/collective.hpp"
#include "real_runner/messages/mailbox.hpp"
#include "real_runner/program/step_program.hpp"

namespace dflop {

/// When a computation ran, on this machine's steady clock.
struct Span {
  double start_s = 0;
  double end_s = 0;
  double lost_s = 0;  ///< of it, while something else had the processor: wall clock − CPU time, or how late it ended
};

class StageWorker {
 public:
  virtual ~StageWorker() = default;

  /// Makes the step's data for this rank and forgets the last step's gradients. Weights are kept from step to step.
  virtual void Prepare(const StepProgram& program, std::size_t step) = 0;

  virtual Span Run(const Action& action) = 0;
  virtual Span StepOptimizer(int stage) = 0;

  /// What `from_stage` has made for the message: its values, piece after piece; nothing where a backend moves no data.
  virtual Payload Pack(const Message& message) = 0;
  /// Hands it to `to_stage`. Several messages may bring parts of one input. What has come through a hub holds the
  /// tensors of all its parts, of which the message names those that are wanted.
  virtual void Unpack(const Message& message, Payload payload) = 0;

  /// This stage's tensors that the collective is about; what is written there is what the next operations see.
  virtual std::span<float> CollectiveValues(Collective::What what, int stage) = 0;

  /// Whether this rank sums by itself what a collective is about, since its tensors are not in the host's memory. Then
  /// it is asked to, instead of for the values.
  virtual bool ReducesItself() const { return false; }
  /// The collective at `index` of the program's, for which this rank was ready at `ready_s`. All who take part call it.
  virtual CollectiveSpan Reduce(const StepProgram&, std::size_t /*index*/, double /*ready_s*/, Transport&) {
    return {};
  }
};

}  // namespace dflop
