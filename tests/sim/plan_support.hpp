// What the tests of sim/ and policies/ share: a small job, steps whose costs are set by hand, plug-ins by name.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/cost_model.hpp"
#include "policies/api/batch_scheduler.hpp"
#include "policies/api/layout_planner.hpp"
#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"
#include "sim/build/step_costs.hpp"
#include "sim/step/step.hpp"

namespace dflop {

inline ModelSpec SmallVlm() {
  static const Json kModel = ParseJson(R"({"name": "small-vlm",
      "encoders": [{"name": "vision", "modality": "image", "hidden": 512, "ffn_hidden": 2048, "layers": 8, "heads": 8,
                    "patch_px": 14, "tile_px": 384, "tiling": "llava-onevision", "projector": "mlp2"}],
      "llm": {"hidden": 1024, "ffn_hidden": 4096, "layers": 12, "heads": 8, "kv_heads": 8, "vocab": 32000,
              "gated_ffn": true, "tied_embeddings": false}})",
                                       "small-vlm");
  return ReadModel(JsonReader(kModel, "small-vlm"));
}

inline ClusterSpec A100Nodes(int nodes) {
  Json json;
  json["name"] = "hgx-a100-800g";
  json["nodes"] = nodes;
  return ReadCluster(JsonReader(json, "cluster"));
}

inline CostModel SmallJob(int nodes = 1, SoftwareStack software = {}) {
  const ClusterSpec cluster = A100Nodes(nodes);
  return {SmallVlm(), cluster, BuiltInKernelCosts(cluster.only_node().gpu), std::move(software)};
}

template <typename Interface>
std::unique_ptr<Interface> Plugin(const std::string& spec) {
  const Json json = spec.starts_with("{") ? ParseJson(spec, "plug-in") : Json(spec);
  return Registry<Interface>::Instance().Make(JsonReader(json, "plug-in"));
}

/// Samples with uneven tiles and tokens, as multimodal data has them.
inline std::vector<SampleShape> UnevenSamples(int count, std::uint64_t seed) {
  RandomStream random(seed, "uneven samples");
  std::vector<SampleShape> samples;
  for (int i = 0; i < count; ++i) {
    const int tiles = 1 + static_cast<int>(random.Below(random.Below(4) == 0 ? 32 : 6));
    const int text = 20 + static_cast<int>(random.Below(400));
    samples.push_back({{tiles}, tiles * 210 + text, text});
  }
  return samples;
}

/// Forward and backward time of every (stage, microbatch), everything else free.
template <typename Cost>
StepCosts HandMadeCosts(const Layout& layout, Cost forward_and_backward) {
  StepCosts costs;
  for (const Stage& stage : layout.stages) {
    auto& row = costs.stages.emplace_back(static_cast<std::size_t>(layout.units()));
    for (int k = 0; k < layout.units(); ++k) {
      const auto [forward, backward] = forward_and_backward(stage, k);
      row[static_cast<std::size_t>(k)].forward.time = Seconds(forward);
      row[static_cast<std::size_t>(k)].backward.time = Seconds(backward);
    }
    costs.needs_backward.push_back(true);
    costs.optimizer.emplace_back(0.0);
  }
  return costs;
}

/// Any valid work for a layout: one tile and one short sample in every bucket.
inline StepWork TinyWork(const CostModel& cost, const Layout& layout) {
  const int buckets = layout.llm_replicas() * layout.microbatches;
  BatchPlan plan;
  plan.buckets.resize(static_cast<std::size_t>(layout.llm_replicas()));
  for (int i = 0; i < buckets; ++i) plan.buckets[static_cast<std::size_t>(i % layout.llm_replicas())].push_back({i});
  return DivideWork(plan, layout, cost, std::vector<SampleShape>(static_cast<std::size_t>(buckets), {{1}, 300, 90}));
}

}  // namespace dflop
