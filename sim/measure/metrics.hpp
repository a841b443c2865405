// The figures of one step.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/measure/memory_parts.hpp"
#include "sim/step/step.hpp"

namespace dflop {

/// Idle time that communication brings, by what it carries (CommunicationKinds). From nested replays that let one kind
/// after the other in, in this order: a kind gets what it adds to those before it.
struct CommunicationIdle {
  double encoder_llm = 0;
  double stage = 0;
  double gradients = 0;
  double parameters = 0;
  double sum() const { return encoder_llm + stage + gradients + parameters; }
};

/// Idle device time by cause, each over step time × devices used; the parts add up to the idle fraction. Parts may be
/// negative. From nested replays of the same plan:
///   bubble              every operation of a kind costs its mean over microbatches and stages, weighted by the GPUs it
///                       runs on, so that the devices are busy as many GPU-seconds as in the real step; no
///                       communication
///   imbalance           real costs, replicas uncoupled, minus the above
///   data_parallel_wait  replicas coupled, minus the above
///   communication       everything, minus the above
struct IdleByCause {
  double bubble = 0;
  double imbalance = 0;
  double data_parallel_wait = 0;
  CommunicationIdle by_kind;
  double communication() const { return by_kind.sum(); }
  double sum() const { return bubble + imbalance + data_parallel_wait + communication(); }
  IdleByCause Scaled(double factor) const;
  IdleByCause& operator+=(const IdleByCause& more);
};

struct StageMemoryUse : MemoryParts {
  int module = 0;
  int stage = 0;  ///< device within the module's pipeline
};

struct MemoryUse {
  std::vector<StageMemoryUse> stages;  ///< the largest replica of every (module, stage)
  Bytes peak{0};                       ///< largest device
  bool fits = true;                    ///< every device into the memory of its own GPUs
  std::string too_large;               ///< of the device that lacks most: which term, on which stage, by how much
};

struct StepMetrics {
  Seconds step{0};
  double samples = 0;
  double tokens = 0;  ///< LLM tokens without padding
  Flops model_flops{0};
  Flops hardware_flops{0};
  Seconds optimizer{0};  ///< part of the step at its end that the paper's TFLOP/s leaves out
  double idle_fraction = 0;
  IdleByCause idle;
  double extrapolated_fraction = 0;                   ///< of busy time
  double tensor_parallel_communication_fraction = 0;  ///< of busy time
  double context_parallel_communication_fraction = 0;
  double expert_communication_fraction = 0;
  double unmodelled_contention_fraction = 0;  ///< of the time that NICs are busy (sim/measure/contention.hpp)
};

/// Device-seconds of a step's computations, over all replicas.
struct BusyTime {
  double whole = 0;
  double extrapolated = 0;   ///< part of it whose kernels lay outside what was measured
  double communicating = 0;  ///< part of it in tensor-parallel collectives
  double context = 0;        ///< part of it that context-parallel ranks wait for each other's keys and values
  double experts = 0;        ///< part of it in which tokens travel to experts and back
  double Share(double part) const { return whole > 0 ? part / whole : 0; }
};
/// `graph`: which replicas stand for others.
BusyTime BusyTimeOf(const StepCosts& costs, const Layout& layout, const OperationGraph& graph);

/// Busy device-seconds (GPUs × seconds) of the graph's device queues.
Seconds BusyDeviceSeconds(const OperationGraph& graph, const OperationTimes& times, const Layout& layout);

/// `engine`: the one that ran the step; it judges every kind of communication.
IdleByCause SplitIdle(const Job& job, const Step& step, Engine& engine);

/// Figures of a simulated step; `engine` is the one that ran it.
StepMetrics MeasureStep(const Job& job, const Step& step, Engine& engine);

/// True peak over the order each device runs, with unequal microbatches. `classes`: of replicas that one stands for;
/// none: every one is looked at.
MemoryUse PeakMemory(const Job& job, const StepWork& work, std::span<const ReplicaClass> classes = {});

}  // namespace dflop
