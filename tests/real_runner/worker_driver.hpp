// Small models and plans for the `cpu` worker, and a driver that walks a step's program on workers of this process: any
// action whose messages are there, one after the other, no threads, no clock.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/index.hpp"
#include "real_runner/cpu/worker.hpp"
#include "real_runner/execute/relay_station.hpp"
#include "real_runner/program/step_program.hpp"
#include "tests/real_runner/model_reference.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {

/// Hidden width 16 everywhere; tiles of 16 patches. `encoders` and `llm` are put into the JSON of the model.
inline ModelSpec MicroModel(const std::string& encoders, const std::string& llm = "") {
  const Json json =
      ParseJson(R"({"name": "micro", "encoders": [)" + encoders +
                    R"(], "llm": {"hidden": 16, "ffn_hidden": 40, "layers": 2, "heads": 4, "kv_heads": 2, "vocab": 32,
                                  "gated_ffn": true)" +
                    llm + "}}",
                "micro");
  return ReadModel(JsonReader(json, "micro"));
}

inline std::string MicroEncoder(const std::string& name, const std::string& more = R"(, "tiling": "internvl")") {
  return R"({"name": ")" + name + R"(", "modality": "image", "hidden": 16, "ffn_hidden": 24, "layers": 1, "heads": 2,
             "patch_px": 2, "tile_px": 8)" +
         more + "}";
}

/// A plan of one step for each batch plan.
inline Plan MicroPlan(ModelSpec model, Layout layout, const std::vector<SampleShape>& batch,
                      std::vector<BatchPlan> plans, const std::string& schedule = "1f1b") {
  Plan plan;
  plan.seed = 7;
  plan.model = std::move(model);
  plan.cluster = A100Nodes(2);
  plan.layout = std::move(layout);
  plan.orders = OrdersOf(*Plugin<PipelineSchedule>(schedule), plan.layout);
  for (BatchPlan& step : plans) plan.steps.push_back({batch, std::move(step), {}});
  return plan;
}

class WorkerDriver {
 public:
  explicit WorkerDriver(const Plan& plan) : plan_(plan) {
    for (int rank = 0; rank < static_cast<int>(plan.layout.groups.size()); ++rank) {
      workers_.push_back(std::make_unique<cpu::Worker>(plan, rank));
    }
  }

  /// Forwards and backwards, then the sums of the gradients.
  void Run(std::size_t step) {
    program_ = MakeStepProgram(plan_, step);
    values_.assign(program_.messages.size(), {});
    arrived_.assign(program_.messages.size(), false);
    for (const auto& worker : workers_) worker->Prepare(program_, step);
    std::vector<std::size_t> next(workers_.size());
    std::vector<std::vector<bool>> relayed;
    for (const RankProgram& rank : program_.ranks) relayed.emplace_back(rank.relays.size());
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t rank = 0; rank < workers_.size(); ++rank) {
        for (std::size_t r = 0; r < relayed[rank].size(); ++r) {
          if (!relayed[rank][r] && Relayed(program_.ranks[rank].relays[r])) relayed[rank][r] = moved = true;
        }
        while (next[rank] < program_.ranks[rank].actions.size() &&
               Acted(*workers_[rank], program_.ranks[rank].actions[next[rank]])) {
          ++next[rank];
          moved = true;
        }
      }
    }
    for (std::size_t rank = 0; rank < workers_.size(); ++rank) {
      ASSERT_EQ(next[rank], program_.ranks[rank].actions.size()) << "rank " << rank << " waits for ever";
    }
    for (const Collective& collective : program_.collectives) Sum(collective);
  }

  void StepOptimizers() {
    for (std::size_t rank = 0; rank < workers_.size(); ++rank) {
      for (const int stage : program_.ranks[rank].stages) workers_[rank]->StepOptimizer(stage);
    }
  }

  double loss() const {
    double loss = 0;
    for (const auto& worker : workers_) loss += worker->loss();
    return loss;
  }

  /// Every tensor of the plan; copies in other replicas must be equal.
  reference::Tensors Weights() const {
    return Gather([](const cpu::Parameter& p) { return p.weight; });
  }
  /// Of those that train.
  reference::Tensors Gradients() const {
    return Gather([](const cpu::Parameter& p) { return p.shape.trainable ? p.gradient : nullptr; });
  }
  cpu::Worker& worker(int rank) { return *workers_[Index(rank)]; }

  /// All copies of a tensor.
  std::vector<const cpu::Parameter*> Copies(const std::string& name) const {
    std::vector<const cpu::Parameter*> copies;
    for (int s = 0; s < static_cast<int>(plan_.layout.stages.size()); ++s) {
      const int rank = plan_.layout.stages[Index(s)].group;
      if (const auto* found = workers_[Index(rank)]->parameters(s).Find(name)) copies.push_back(found);
    }
    return copies;
  }

 private:
  bool Arrived(const std::vector<int>& messages) const {
    return std::all_of(messages.begin(), messages.end(), [&](int m) { return arrived_[Index(m)]; });
  }

  bool Acted(cpu::Worker& worker, const Action& action) {
    if (!Arrived(action.receives)) return false;
    for (const int m : action.receives) worker.Unpack(program_.messages[Index(m)], std::move(values_[Index(m)]));
    worker.Run(action);
    for (const int m : action.sends) {
      values_[Index(m)] = worker.Pack(program_.messages[Index(m)]);
      EXPECT_EQ(static_cast<std::int64_t>(values_[Index(m)].values.size()), program_.messages[Index(m)].values());
      arrived_[Index(m)] = true;
    }
    return true;
  }

  bool Relayed(const Relay& relay) {
    if (!Arrived(relay.in)) return false;
    std::vector<const Message*> parts;
    std::vector<Payload> values;
    for (const int m : relay.in) {
      parts.push_back(&program_.messages[Index(m)]);
      values.push_back(values_[Index(m)]);
    }
    for (const int m : relay.out) {
      values_[Index(m)] = Regroup(parts, values, program_.messages[Index(m)]);
      arrived_[Index(m)] = true;
    }
    return true;
  }

  void Sum(const Collective& collective) {
    std::vector<std::span<float>> copies;
    for (std::size_t i = 0; i < collective.stages.size(); ++i) {
      copies.push_back(workers_[Index(collective.ranks[i])]->CollectiveValues(collective.what, collective.stages[i]));
    }
    for (std::size_t v = 0; v < copies.front().size(); ++v) {
      double sum = 0;
      for (const auto& copy : copies) sum += static_cast<double>(copy[v]);
      for (const auto& copy : copies) copy[v] = static_cast<float>(sum);
    }
  }

  template <typename Where>
  reference::Tensors Gather(const Where& where) const {
    reference::Tensors tensors;
    for (int s = 0; s < static_cast<int>(plan_.layout.stages.size()); ++s) {
      const int rank = plan_.layout.stages[Index(s)].group;
      for (const cpu::Parameter& parameter : workers_[Index(rank)]->parameters(s).all()) {
        const float* values = where(parameter);
        if (values == nullptr) continue;
        reference::Values copy(values, values + parameter.shape.values());
        const auto [place, is_new] = tensors.emplace(parameter.shape.name, copy);
        EXPECT_TRUE(is_new || place->second == copy) << "copies of " << parameter.shape.name << " differ";
      }
    }
    return tensors;
  }

  const Plan& plan_;
  std::vector<std::unique_ptr<cpu::Worker>> workers_;
  StepProgram program_;
  std::vector<Payload> values_;
  std::vector<bool> arrived_;
};

/// The largest |difference| over the largest |wanted value|.
inline double RelativeError(const reference::Values& found, const reference::Values& wanted) {
  double largest = 0;
  double error = 0;
  if (found.size() != wanted.size()) return 1e9;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    largest = std::max(largest, std::abs(wanted[i]));
    error = std::max(error, std::abs(found[i] - wanted[i]));
  }
  return largest > 0 ? error / largest : error;
}

}  // namespace dflop
