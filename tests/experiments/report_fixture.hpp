// A stored result as a run writes it, small enough to know every figure: what the report's tests draw.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/random.hpp"
#include "base/statistics.hpp"
#include "experiments/results/run_figures.hpp"

namespace dflop::report_fixture {

/// A policy of the fixture: how long its steps take and how its one drawn step is built.
struct Policy {
  std::string name;
  double step_s = 1;  ///< of an average step
  int stages = 4;     ///< the first one holds the encoder; 1 = one shared device
  int replicas = 2;
  int microbatches = 8;
  double unevenness = 0.5;
  bool fits = true;
};

inline StageMemory MemoryOf(const Policy& policy, int stage) {
  StageMemory memory;
  memory.module = stage == 0 ? "siglip-2.4b" : "llama3-8b";
  memory.stage = stage == 0 ? 0 : stage - 1;
  memory.weights = Bytes(4e9 + 1e9 * stage);
  memory.gradients = Bytes(8e9);
  memory.optimizer = Bytes(policy.fits ? 24e9 : 48e9);
  memory.activations = Bytes(25e9 / (1 + stage));
  memory.other = Bytes(2.1e9);
  return memory;
}

inline Json Metrics(const Policy& policy, RandomStream& noise, const std::vector<double>& batch_weight) {
  RunFigures figures;
  for (const double weight : batch_weight) {
    figures.step_s.push_back(policy.step_s * weight * (1 + 0.01 * noise.Normal()));
  }
  const double mean = MeanInterval(figures.step_s).mean;
  figures.iteration_time_s = mean;
  figures.samples_per_s = 256 / mean;
  figures.tokens_per_s = 1.5e6 / mean;
  figures.tflops_per_gpu = 700 / mean;
  figures.mfu = 1.6 / mean;
  figures.bubble = 0.09 / policy.replicas;
  figures.imbalance = 0.31 * policy.unevenness;
  figures.data_parallel_wait = 0.12 * policy.unevenness - 0.03;
  figures.communication = 0.021;
  figures.idle_fraction = figures.bubble + figures.imbalance + figures.data_parallel_wait + figures.communication;
  figures.communication_encoder_llm = 0.5 * figures.communication;
  figures.communication_stage = 0.2 * figures.communication;
  figures.communication_gradients = 0.3 * figures.communication;
  figures.balance_gap = 0.8 * policy.unevenness;
  figures.planning_time_s = 0.0123;
  figures.planning_exposed_s = 0.0004;
  figures.peak_memory_bytes = policy.fits ? 71.3e9 : 93.6e9;
  figures.fits = policy.fits;
  for (int stage = 0; stage < policy.stages; ++stage) figures.memory.push_back(MemoryOf(policy, stage));
  figures.extrapolated_fraction = 0.034;
  return ToJson(figures);
}

inline Json Run(const std::string& scenario, const Json& point, const Policy& policy, int seed, int steps) {
  // The batches are those of the scenario and seed; only the noise is the policy's own.
  RandomStream batches(std::uint64_t(seed), "batches/" + scenario);
  std::vector<double> weight;
  weight.reserve(std::size_t(steps));
  for (int i = 0; i < steps; ++i) weight.push_back(1 + 0.05 * batches.Normal());
  RandomStream noise(std::uint64_t(seed), "noise/" + scenario + policy.name);
  Json run;
  run["scenario"] = scenario;
  if (!point.is_null()) run["point"] = point;
  run["policy"] = policy.name;
  run["seed"] = seed;
  run["layout"]["name"] = "tp8 pp" + std::to_string(policy.stages) + " dp" + std::to_string(policy.replicas) +
                          " (1 encoder stage), " + std::to_string(policy.microbatches) + " microbatches";
  run["layout"]["gpus_used"] = 8 * policy.stages * policy.replicas;
  run["metrics"] = Metrics(policy, noise, weight);
  if (!policy.fits) run["too_large"] = "optimizer states of llama3-8b stage 0, 12.7 GiB too many";
  return run;
}

/// One replica's 1F1B: stage s runs min(m, p − s) forwards ahead, then alternates.
inline std::vector<std::pair<bool, int>> OneForwardOneBackward(int stage, int stages, int microbatches) {
  std::vector<std::pair<bool, int>> order;  // forward?, microbatch
  order.reserve(2 * static_cast<std::size_t>(microbatches));
  const int ahead = std::min(microbatches, stages - stage);
  for (int k = 0; k < ahead; ++k) order.emplace_back(true, k);
  for (int k = 0; k < microbatches; ++k) {
    order.emplace_back(false, k);
    if (k + ahead < microbatches) order.emplace_back(true, k + ahead);
  }
  return order;
}

inline Json Event(const char* kind, int stage, int microbatch, double start, double end) {
  Json event;
  event["kind"] = kind;
  event["stage"] = stage;
  event["microbatch"] = microbatch;
  event["group"] = stage;
  event["start_s"] = start;
  event["end_s"] = end;
  return event;
}

inline void AddTransfer(Json& events, int from, int to, int microbatch, double start) {
  Json transfer = Event("transfer", from, microbatch, start, start + 0.006);
  transfer["to_stage"] = to;
  transfer["group"] = -1;
  events.push_back(transfer);
}

/// Adds the events of one replica and returns when its last operation ends.
inline double AddReplica(Json& events, const Policy& policy, int replica, RandomStream& random) {
  const int p = policy.stages;
  const int m = policy.microbatches;
  std::vector<double> load;
  load.reserve(std::size_t(m));
  for (int k = 0; k < m; ++k) load.push_back(0.05 * random.LogNormal(1, policy.unevenness));
  std::vector<std::vector<double>> forward_end(std::size_t(p), std::vector<double>(std::size_t(m), -1));
  std::vector<std::vector<double>> backward_end = forward_end;
  std::vector<double> free(std::size_t(p), 0);
  std::vector<std::size_t> next(std::size_t(p), 0);
  for (bool moved = true; moved;) {
    moved = false;
    for (int s = 0; s < p; ++s) {
      const auto order = OneForwardOneBackward(s, p, m);
      const auto stage = std::size_t(s);
      while (next[stage] < order.size()) {
        const auto [forward, k] = order[next[stage]];
        const auto bucket = std::size_t(k);
        const int before = forward ? s - 1 : s + 1;
        double ready = 0;
        if (before >= 0 && before < p) {
          ready = (forward ? forward_end : backward_end)[std::size_t(before)][bucket];
          if (ready < 0) break;
          AddTransfer(events, replica * p + before, replica * p + s, k, ready);
          ready += 0.006;
        }
        const double start = std::max(ready, free[stage]);
        const double end = start + load[bucket] * (forward ? 1 : 2) * (s == 0 ? 0.8 : 1);
        events.push_back(Event(forward ? "forward" : "backward", replica * p + s, k, start, end));
        (forward ? forward_end : backward_end)[stage][bucket] = end;
        free[stage] = end;
        ++next[stage];
        moved = true;
      }
    }
  }
  return *std::max_element(free.begin(), free.end());
}

inline Json Timeline(const std::string& scenario, const Policy& policy) {
  Json timeline;
  timeline["schema"] = "dflop/timeline/1";
  timeline["model"] = "llava-ov-siglip-2.4b-llama3-8b";
  timeline["modules"] = Json(Json::Array{"siglip-2.4b", "llama3-8b"});
  RandomStream random(1, "timeline/" + scenario + policy.name);
  Json events;
  Json stages;
  double end = 0;
  for (int replica = 0; replica < policy.replicas; ++replica) {
    for (int s = 0; s < policy.stages; ++s) {
      Json stage;
      stage["index"] = replica * policy.stages + s;
      stage["replica"] = replica;
      stage["depth"] = s;
      stage["group"] = replica * policy.stages + s;
      Json::Array names = s == 0 ? Json::Array{"siglip-2.4b"} : Json::Array{"llama3-8b"};
      if (policy.stages == 1) names = {"siglip-2.4b", "llama3-8b"};
      stage["module_names"] = Json(names);
      stage["first_gpu"] = 8 * (replica * policy.stages + s);
      stage["gpus"] = 8;
      stages.push_back(stage);
    }
    end = std::max(end, AddReplica(events, policy, replica, random));
  }
  for (int i = 0; i < policy.replicas * policy.stages; ++i) {
    Json reduction = Event("gradient_reduction", i, -1, end, end + 0.05);
    reduction["group"] = -1;
    events.push_back(reduction);
    events.push_back(Event("optimizer_step", i, -1, end + 0.05, end + 0.08));
  }
  timeline["stages"] = stages;
  timeline["makespan_s"] = end + 0.08;
  timeline["events"] = events;
  return timeline;
}

inline Json EmptyResult(const std::string& name, const std::vector<std::string>& baselines) {
  Json result;
  result["schema"] = "dflop/result/1";
  result["experiment"] = name;
  result["description"] = "How much step time data-blind training wastes, and what DFLOP wins back";
  result["engine"] = "replay";
  result["inputs"]["quickstart.json"] = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
  result["scenarios"] = Json::EmptyArray();
  result["runs"] = Json::EmptyArray();
  result["pictures"] = Json::EmptyArray();
  result["baselines"] = Json::ArrayOf(baselines);
  result["provenance"]["git_commit"] = "0123456789abcdef";
  result["provenance"]["compiler"] = "GNU 12.2.0";
  result["provenance"]["command"] = "dflop run quickstart.json";
  return result;
}

inline void AddScenario(Json& result, const std::string& name) {
  Json scenario;
  scenario["name"] = name;
  scenario["assumptions"]["model"] = "llava-ov-siglip-2.4b-llama3-8b";
  scenario["assumptions"]["costs"] = "built-in model of a100-sxm-80gb: GEMM median error 2.9 %, 90th percentile 11 %";
  scenario["assumptions"]["cluster"]["node"]["gpu"]["memory_bytes"] = 80e9;
  scenario["assumptions"]["recompute"] = "full";
  scenario["assumptions"]["software"]["bytes_per_parameter"] = 18;
  result["scenarios"].push_back(scenario);
}

/// Stores a timeline as a run does and names it in the result.
inline void AddPicture(Json& result, const std::string& folder, const std::string& scenario, const Policy& policy) {
  Json picture;
  picture["scenario"] = scenario;
  picture["policy"] = policy.name;
  picture["timeline"] = "timelines/" + std::to_string(result["pictures"].as<Json::Array>().size()) + ".json";
  WriteJsonFile(folder + "/" + picture["timeline"].as<std::string>(), Timeline(scenario, policy));
  result["pictures"].push_back(picture);
}

}  // namespace dflop::report_fixture
