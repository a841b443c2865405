// Whether a layout can be placed at all is the program's own judgement, see scenario_check.hpp.
#include "experiments/published_runs/published_layout.hpp"

#include <algorithm>
#include <cstdint>

#include "base/index.hpp"
#include "experiments/published_runs/published_stack.hpp"

namespace dflop {
namespace {

void Assume(PublishedLayout& layout, const std::string& what) {
  layout.assumed += (layout.assumed.empty() ? "" : "; ") + what;
}

/// Layers of stages whose first and last hold an embedding or the loss in a layer's place; empty where that fails.
std::vector<int> WithEndsAsLayers(int layers, int stages) {
  if (stages < 2 || (layers + 2) % stages != 0) return {};
  std::vector<int> split(Index(stages), (layers + 2) / stages);
  --split.front();
  --split.back();
  return split;
}

/// The rounded-up share each, the last stage the rest; empty where nothing would be left for it.
std::vector<int> WithShortLast(int layers, int stages) {
  const int share = (layers + stages - 1) / stages;
  const int rest = layers - share * (stages - 1);
  if (rest < 1) return {};
  std::vector<int> split(Index(stages), share);
  split.back() = rest;
  return split;
}

std::vector<int> SplitOfLayers(const PublishedRow& row, const std::string& preset, const HomogeneousDegrees& degrees) {
  const int stages = degrees.pp * degrees.chunks;
  if (preset == "megatron-deepspeed" && Mentions(row.notes, "slots")) return WithEndsAsLayers(row.layers, stages);
  if (row.layers % stages == 0) return {};
  if (preset == "megatron-deepspeed") return WithShortLast(row.layers, stages);
  if (IsMegatronCore(preset)) return WithEndsAsLayers(row.layers, stages);
  return {};
}

/// Experts go over as many ranks as can share them, where a dispatcher between ranks is named but no degree.
int AssumedExpertRanks(const PublishedRow& row, const HomogeneousDegrees& degrees) {
  const int ranks = degrees.tp * degrees.cp * degrees.dp;
  for (int ep = std::min(ranks, row.experts); ep > 1; --ep) {
    if (ranks % ep == 0 && row.experts % ep == 0) return ep;
  }
  return 1;
}

void SetExpertRanks(const PublishedRow& row, PublishedLayout& layout) {
  if (row.experts == 0) return;
  layout.degrees.ep = std::max(1, row.ep);
  if (row.ep > 0) return;
  if (Mentions(row.notes, "DeepEP")) layout.degrees.ep = AssumedExpertRanks(row, layout.degrees);
  Assume(layout, "ep " + std::to_string(layout.degrees.ep));
}

std::string WhyBatchDoesNotDivide(const PublishedRow& row, const HomogeneousDegrees& degrees) {
  const std::int64_t at_once = std::int64_t{degrees.dp} * row.micro_batch;
  if (row.global_batch % at_once == 0) return "";
  return "the batch does not divide over replicas and microbatches";
}

}  // namespace

PublishedLayout LayoutOf(const PublishedRow& row, const std::string& preset) {
  PublishedLayout layout;
  HomogeneousDegrees& degrees = layout.degrees;
  degrees.tp = row.tp;
  degrees.pp = row.pp;
  degrees.cp = std::max(1, row.cp);
  degrees.chunks = row.pp > 1 ? std::max(1, row.vp) : 1;
  if (row.cp == 0) Assume(layout, "cp 1");
  const std::int64_t of_replica = std::int64_t{row.tp} * row.pp * degrees.cp;
  if (row.gpus % of_replica != 0) {
    layout.refused = "the degrees do not divide the GPUs";
    return layout;
  }
  degrees.dp = static_cast<int>(row.gpus / of_replica);
  if (row.dp > 0 && row.dp != degrees.dp && row.dp != degrees.dp * degrees.cp) {
    layout.refused = "the degrees do not multiply to the GPUs";
    return layout;
  }
  degrees.sequence_parallel = row.tp > 1 && DividesSequence(preset);
  degrees.layers_per_stage = SplitOfLayers(row, preset, degrees);
  SetExpertRanks(row, layout);
  layout.refused = WhyBatchDoesNotDivide(row, degrees);
  if (layout.refused.empty()) degrees.microbatches = row.global_batch / (degrees.dp * row.micro_batch);
  return layout;
}

Json FixedLayoutJson(const HomogeneousDegrees& degrees, int samples_per_microbatch) {
  Json uniform;
  uniform["tp"] = degrees.tp;
  if (degrees.cp > 1) uniform["cp"] = degrees.cp;
  uniform["pp"] = degrees.pp;
  uniform["dp"] = degrees.dp;
  if (degrees.ep > 1) uniform["ep"] = degrees.ep;
  if (degrees.sequence_parallel) uniform["sequence_parallel"] = true;
  if (!degrees.layers_per_stage.empty()) uniform["layers_per_stage"] = Json::ArrayOf(degrees.layers_per_stage);
  Json layout;
  layout["name"] = "fixed";
  layout["uniform"] = std::move(uniform);
  layout["samples_per_microbatch"] = samples_per_microbatch;
  return layout;
}

Json PipelineJson(const HomogeneousDegrees& degrees) {
  if (degrees.chunks == 1) return "1f1b";
  Json pipeline;
  pipeline["name"] = "interleaved";
  pipeline["chunks"] = degrees.chunks;
  return pipeline;
}

}  // namespace dflop
