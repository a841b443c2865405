#include "real_runner/cpu/worker.hpp"

#include <cblas.h>

#include <algorithm>

#include "base/error.hpp"
#include "real_runner/cpu/denormals.hpp"
#include "real_runner/cpu/timed_run.hpp"
#include "real_runner/cpu_worker.hpp"

namespace dflop {
namespace cpu {

Worker::Worker(const Plan& plan, int rank) : plan_(plan), rank_(rank) {
  openblas_set_num_threads(1);
  const bool recompute = plan.software.recompute == Recompute::kFull;
  for (std::size_t s = 0; s < plan.layout.stages.size(); ++s) {
    const Stage& stage = plan.layout.stages[s];
    if (stage.group != rank) continue;
    HeldStage& held = stages_[static_cast<int>(s)];
    const auto seed = static_cast<std::uint64_t>(plan.seed);
    held.parameters = std::make_unique<StageParameters>(plan.model, stage.parts, seed);
    held.parts.reserve(stage.parts.size());
    for (const ModulePart& part : stage.parts) {
      held.parts.emplace_back(PartContext{plan.model, part, stage.replica, seed, recompute, *held.parameters}, loss_);
    }
  }
}

void Worker::Prepare(const StepProgram& program, std::size_t step) {
  loss_ = 0;
  goes_back_.clear();
  const std::vector<Action>& actions = program.ranks[static_cast<std::size_t>(rank_)].actions;
  for (const Action& action : actions) {
    if (action.kind == OpKind::kBackward) goes_back_.emplace(action.stage, action.microbatch);
  }
  for (auto& [s, held] : stages_) {
    const Stage& stage = plan_.layout.stages[static_cast<std::size_t>(s)];
    held.parameters->ClearGradients();
    for (auto* blocks : {&held.activations, &held.gradients}) {
      for (float*& block : *blocks) Free(block);
      blocks->assign(static_cast<std::size_t>(plan_.layout.microbatches), nullptr);
    }
    held.mail.resize(static_cast<std::size_t>(plan_.layout.microbatches));
    for (Mail& mail : held.mail) {
      mail.forward.received.clear();
      mail.backward.received.clear();
    }
    PlaceTiles(program, plan_.steps[step], s, held);
    for (std::size_t p = 0; p < held.parts.size(); ++p) {
      const auto module = static_cast<std::size_t>(stage.parts[p].module);
      PartStep part_step;
      part_step.planned = &plan_.steps[step];
      part_step.number = step;
      part_step.shares = program.shares[module][static_cast<std::size_t>(stage.replica)];
      part_step.mail = &held.mail;
      held.parts[p].Prepare(std::move(part_step));
    }
  }
  memory_.BeginRehearsal();
  for (const Action& action : actions) Perform(action, true);
  for (auto& [s, held] : stages_) {
    for (auto* blocks : {&held.activations, &held.gradients}) {
      for (float*& block : *blocks) Free(block);
    }
  }
  memory_.EndRehearsal();
}

Span Worker::Run(const Action& action) {
  const FlushedDenormals flushed;
  return Perform(action, false);
}

template <typename Body>
Span Worker::Compute(bool rehearsal, HeldStage& held, const Body& body) {
  if (rehearsal) return {};
  return TimeRun([&] {
    for (StagePart& part : held.parts) body(part);
  });
}

Span Worker::Perform(const Action& action, bool rehearsal) {
  HeldStage& held = stages_.at(action.stage);
  const int k = action.microbatch;
  const auto at = static_cast<std::size_t>(k);
  const WeightsWhen weights = action.with_weights ? WeightsWhen::kNow : WeightsWhen::kLater;
  Span span;
  bool last = true;
  if (action.kind == OpKind::kForward) {
    float* scratch = TakeActivations(held, k);
    span = Compute(rehearsal, held, [&](StagePart& part) { part.Forward(k); });
    Free(scratch);
    last = !goes_back_.contains({action.stage, k});
  } else if (action.kind == OpKind::kBackward) {
    TakeGradients(held, k, weights);
    span = Compute(rehearsal, held, [&](StagePart& part) { part.Backward(k, weights); });
    last = action.with_weights;
  } else {
    DFLOP_CHECK(action.kind == OpKind::kWeightGradient, "an action is a computation");
    span = Compute(rehearsal, held, [&](StagePart& part) { part.WeightGradient(k); });
  }
  if (last) {
    Free(held.activations[at]);
    Free(held.gradients[at]);
  }
  return span;
}

/// Counts, takes, and cuts. Returns the scratch of the forward.
float* Worker::TakeActivations(HeldStage& held, int k) {
  const auto carve = [&](Carver kept, Carver scratch) {
    for (StagePart& part : held.parts) part.CarveForward(k, kept, scratch);
    return std::pair(kept.used(), scratch.used());
  };
  const auto [kept, scratch] = carve(Carver(), Carver());
  float*& block = held.activations[static_cast<std::size_t>(k)];
  block = memory_.Take(kept);
  float* transient = memory_.Take(scratch);
  carve(Carver(block), Carver(transient));
  return transient;
}

void Worker::TakeGradients(HeldStage& held, int k, WeightsWhen weights) {
  const auto carve = [&](Carver carver) {
    for (StagePart& part : held.parts) part.CarveBackward(k, weights, carver);
    return carver.used();
  };
  float*& block = held.gradients[static_cast<std::size_t>(k)];
  block = memory_.Take(carve(Carver()));
  carve(Carver(block));
}

void Worker::Free(float*& block) {
  if (block != nullptr) memory_.Release(block);
  block = nullptr;
}

Span Worker::StepOptimizer(int stage) {
  const FlushedDenormals flushed;
  StageParameters& parameters = *stages_.at(stage).parameters;
  return TimeRun([&] { parameters.StepOptimizer(); });
}

std::span<float> Worker::CollectiveValues(Collective::What what, int stage) {
  StageParameters& parameters = *stages_.at(stage).parameters;
  if (what == Collective::What::kGradients) return parameters.gradients();
  DFLOP_CHECK(what == Collective::What::kTiedEmbedding, "the optimizer's state is not divided");
  const std::string prefix = std::to_string(plan_.model.llm_module()) + "/";
  const Parameter* tied = parameters.Find(prefix + "embedding");
  if (tied == nullptr) tied = &parameters.At(prefix + "head");
  if (tied->gradient == nullptr) return {};
  return {tied->gradient, static_cast<std::size_t>(tied->shape.values())};
}

}  // namespace cpu

std::unique_ptr<StageWorker> MakeCpuWorker(const Plan& plan, int rank) {
  return std::make_unique<cpu::Worker>(plan, rank);
}

}  // namespace dflop
