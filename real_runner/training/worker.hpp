// The stage worker that trains: which tensors are in memory when, and what runs on them. How a device computes is its
// class Kernels (training/kernels.hpp).
#pragma once

#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "real_runner/execute/stage_worker.hpp"
#include "real_runner/training/stage_part.hpp"

namespace dflop::training {

template <typename Kernels>
class Worker : public StageWorker {
 public:
  /// Holds the stages of device group `rank`. The plan must outlive the worker.
  Worker(Kernels kernels, const Plan& plan, int rank)
      : kernels_(std::move(kernels)), plan_(plan), rank_(rank), memory_(kernels_.memory()), loss_(kernels_.MakeSum()) {
    const bool recompute = plan.software.recompute == Recompute::kFull;
    for (std::size_t s = 0; s < plan.layout.stages.size(); ++s) {
      const Stage& stage = plan.layout.stages[s];
      if (stage.group != rank) continue;
      HeldStage& held = stages_[static_cast<int>(s)];
      const auto seed = static_cast<std::uint64_t>(plan.seed);
      held.parameters = std::make_unique<StageParameters<Kernels>>(kernels_, plan.model, stage.parts, seed);
      held.parts.reserve(stage.parts.size());
      for (const ModulePart& part : stage.parts) {
        held.parts.emplace_back(
            PartContext<Kernels>{kernels_, plan.model, part, stage.replica, seed, recompute, *held.parameters}, loss_);
      }
    }
  }

  void Prepare(const StepProgram& program, std::size_t step) override {
    kernels_.Begin();
    loss_.Clear();
    goes_back_.clear();
    const std::vector<Action>& actions = program.ranks[static_cast<std::size_t>(rank_)].actions;
    for (const Action& action : actions) {
      if (GivesInputGradient(action.kind)) goes_back_.emplace(action.stage, action.microbatch);
    }
    for (auto& [s, held] : stages_) PrepareStage(program, step, s, held);
    memory_.BeginRehearsal();
    kernels_.Rehearse(true);
    for (const Action& action : actions) Perform(action);
    kernels_.Rehearse(false);
    memory_.EndRehearsal();
    for (auto& [s, held] : stages_) held.Forget(plan_.layout.microbatches);
    kernels_.End();
  }

  Span Run(const Action& action) override { return Perform(action); }

  Span StepOptimizer(int stage) override {
    StageParameters<Kernels>& parameters = *stages_.at(stage).parameters;
    return kernels_.Time([&] { parameters.StepOptimizer(); });
  }

  Payload Pack(const Message& message) override {
    Traffic<Kernels>& traffic = TrafficOf(message.from_stage, message);
    Payload payload;
    for (const Piece& piece : message.pieces) {
      if (piece.projected) {
        kernels_.PackTiles(piece, traffic.tiles, payload);
        continue;
      }
      const auto made = traffic.made.find(piece.module);
      DFLOP_CHECK(made != traffic.made.end() && static_cast<std::int64_t>(made->second.size()) == piece.values(),
                  "a stage sends what it has made");
      kernels_.PackRows(piece, made->second, message.pieces.size() == 1, payload);
    }
    return payload;
  }

  void Unpack(const Message& message, Payload payload) override {
    kernels_.Unpack(message, std::move(payload), TrafficOf(message.to_stage, message));
  }

  /// In the device's memory.
  std::span<float> CollectiveValues(Collective::What what, int stage) override {
    StageParameters<Kernels>& parameters = *stages_.at(stage).parameters;
    if (what == Collective::What::kGradients) return parameters.gradients();
    DFLOP_CHECK(what == Collective::What::kTiedEmbedding, "the optimizer's state is not divided");
    const std::string prefix = std::to_string(plan_.model.llm_module()) + "/";
    const Parameter<Kernels>* tied = parameters.Find(prefix + "embedding");
    if (tied == nullptr) tied = &parameters.At(prefix + "head");
    if (tied->gradient == nullptr) return {};
    return {tied->gradient, static_cast<std::size_t>(tied->shape.values())};
  }

  /// What this rank's heads contribute to the loss of the step so far.
  double loss() const { return loss_.Value(); }
  const StageParameters<Kernels>& parameters(int stage) const { return *stages_.at(stage).parameters; }
  std::vector<int> stages() const {
    std::vector<int> names;
    for (const auto& [s, held] : stages_) names.push_back(s);
    return names;
  }

 protected:
  Kernels& kernels() { return kernels_; }

 private:
  struct HeldStage {
    std::unique_ptr<StageParameters<Kernels>> parameters;
    std::vector<StagePart<Kernels>> parts;
    std::vector<Mail<Kernels>> mail;      ///< [microbatch]
    std::vector<std::byte*> activations;  ///< [microbatch]: from the forward until the last operation, else nullptr
    std::vector<std::byte*> gradients;    ///< [microbatch]: from the backward on

    /// Blocks of a step that is over, whether it ended well or not.
    void Forget(int microbatches) {
      for (auto* blocks : {&activations, &gradients}) blocks->assign(static_cast<std::size_t>(microbatches), nullptr);
    }
  };

  void PrepareStage(const StepProgram& program, std::size_t step, int s, HeldStage& held) {
    const Stage& stage = plan_.layout.stages[static_cast<std::size_t>(s)];
    held.parameters->ClearGradients();
    held.Forget(plan_.layout.microbatches);
    held.mail.resize(static_cast<std::size_t>(plan_.layout.microbatches));
    for (Mail<Kernels>& mail : held.mail) {
      for (auto* traffic : {&mail.forward, &mail.backward}) {
        for (auto& [module, received] : traffic->received) received.here = false;
      }
    }
    PlaceTiles(program, plan_.steps[step], s, held);
    for (std::size_t p = 0; p < held.parts.size(); ++p) {
      const auto module = static_cast<std::size_t>(stage.parts[p].module);
      PartStep<Kernels> part_step;
      part_step.planned = &plan_.steps[step];
      part_step.number = step;
      part_step.shares = program.shares[module][static_cast<std::size_t>(stage.replica)];
      part_step.mail = &held.mail;
      held.parts[p].Prepare(std::move(part_step));
    }
  }

  /// In the order of the part's tokens: an encoder's own tiles, or all tiles of the LLM's samples.
  void PlaceTiles(const StepProgram& program, const PlannedStep& planned, int s, HeldStage& held) {
    const ModelSpec& model = plan_.model;
    const Stage& stage = plan_.layout.stages[static_cast<std::size_t>(s)];
    const auto rows = [&](int e) { return model.encoders[static_cast<std::size_t>(e)].projected_tokens_per_tile(); };
    for (std::size_t k = 0; k < held.mail.size(); ++k) {
      TilePlaces places;
      for (const ModulePart& part : stage.parts) {
        const ModuleShare& share =
            program.shares[static_cast<std::size_t>(part.module)][static_cast<std::size_t>(stage.replica)][k];
        if (!model.is_llm(part.module) && part.has_output) {
          for (const TileRange& range : share.tiles) places.Add(part.module, range, rows(part.module));
        }
        if (!model.is_llm(part.module) || !part.has_input) continue;
        for (const int i : share.samples) {
          for (int e = 0; e < model.llm_module(); ++e) {
            const int count = planned.batch[static_cast<std::size_t>(i)].tiles[static_cast<std::size_t>(e)];
            places.Add(e, {i, 0, count}, rows(e));
          }
        }
      }
      for (auto* traffic : {&held.mail[k].forward, &held.mail[k].backward}) {
        traffic->tiles.places = places;
        traffic->tiles.width = model.llm.shape.hidden;
        kernels_.Resize(traffic->tiles.rows, places.rows() * model.llm.shape.hidden);
      }
    }
  }

  template <typename Body>
  Span Compute(HeldStage& held, const Body& body) {
    return kernels_.Time([&] {
      for (StagePart<Kernels>& part : held.parts) body(part);
    });
  }

  Span Perform(const Action& action) {
    HeldStage& held = stages_.at(action.stage);
    const int k = action.microbatch;
    const auto at = static_cast<std::size_t>(k);
    const WeightsWhen weights = GivesWeightGradient(action.kind) ? WeightsWhen::kNow : WeightsWhen::kLater;
    Span span;
    bool last = true;
    if (action.kind == OpKind::kForward) {
      std::byte* scratch = TakeActivations(held, k);
      span = Compute(held, [&](StagePart<Kernels>& part) { part.Forward(k); });
      Free(scratch);
      last = !goes_back_.contains({action.stage, k});
    } else if (GivesInputGradient(action.kind)) {
      TakeGradients(held, k, weights);
      span = Compute(held, [&](StagePart<Kernels>& part) { part.Backward(k, weights); });
      last = GivesWeightGradient(action.kind);
    } else {
      DFLOP_CHECK(action.kind == OpKind::kBackwardWeight, "an action is a computation");
      span = Compute(held, [&](StagePart<Kernels>& part) { part.WeightGradient(k); });
    }
    if (last) {
      Free(held.activations[at]);
      Free(held.gradients[at]);
    }
    return span;
  }

  /// Counts, takes, and cuts. Returns the scratch of the forward.
  std::byte* TakeActivations(HeldStage& held, int k) {
    const auto carve = [&](Carver kept, Carver scratch) {
      for (StagePart<Kernels>& part : held.parts) part.CarveForward(k, kept, scratch);
      return std::pair(kept.used(), scratch.used());
    };
    const auto [kept, scratch] = carve(Carver(), Carver());
    std::byte*& block = held.activations[static_cast<std::size_t>(k)];
    block = memory_.Take(kept);
    std::byte* transient = memory_.Take(scratch);
    carve(Carver(block), Carver(transient));
    return transient;
  }

  void TakeGradients(HeldStage& held, int k, WeightsWhen weights) {
    const auto carve = [&](Carver carver) {
      for (StagePart<Kernels>& part : held.parts) part.CarveBackward(k, weights, carver);
      return carver.used();
    };
    std::byte*& block = held.gradients[static_cast<std::size_t>(k)];
    block = memory_.Take(carve(Carver()));
    carve(Carver(block));
  }

  void Free(std::byte*& block) {
    if (block != nullptr) memory_.Release(block);
    block = nullptr;
  }

  Traffic<Kernels>& TrafficOf(int stage, const Message& message) {
    Mail<Kernels>& mail = stages_.at(stage).mail[static_cast<std::size_t>(message.microbatch)];
    return message.backward ? mail.backward : mail.forward;
  }

  Kernels kernels_;
  const Plan& plan_;
  int rank_;
  std::map<int, HeldStage> stages_;          ///< by index into Layout::stages
  std::set<std::pair<int, int>> goes_back_;  ///< (stage, microbatch) with a backward in this step
  ActivationMemory<typename Kernels::Memory> memory_;
  typename Kernels::Sum loss_;
};

}  // namespace dflop::training
