#include "policies/uniform_layouts.hpp"

#include <algorithm>

namespace dflop {
namespace {

/// Powers of two up to a node, at most 8, that divide it and the cluster.
std::vector<int> GroupSizes(const ClusterSpec& cluster) {
  std::vector<int> sizes;
  for (int tp = 1; tp <= std::min(8, cluster.node.gpus); tp *= 2) {
    if (cluster.node.gpus % tp == 0 && cluster.gpus() % tp == 0) sizes.push_back(tp);
  }
  return sizes;
}

/// Every way to use all GPUs in groups of `tp` that is possible: PP × DP × encoder stages.
void AddDegrees(int tp, int encoder_tp, int chunks, const ModelSpec& model, const ClusterSpec& cluster,
                std::vector<HomogeneousDegrees>& all) {
  const int groups = cluster.gpus() / tp;
  for (int pp = 1; pp <= groups; ++pp) {
    if (groups % pp != 0) continue;
    const bool splits = !model.encoders.empty() && pp > 1;
    for (int encoder_stages = splits ? 1 : 0; encoder_stages <= (splits ? pp * chunks - 1 : 0); ++encoder_stages) {
      const HomogeneousDegrees degrees{.tp = tp,
                                       .pp = pp,
                                       .dp = groups / pp,
                                       .encoder_stages = encoder_stages,
                                       .chunks = chunks,
                                       .encoder_tp = encoder_tp};
      if (WhyImpossible(degrees, model, cluster).empty()) all.push_back(degrees);
    }
  }
}

}  // namespace

std::vector<int> TensorDegrees(const ModelSpec& model, const ClusterSpec& cluster) {
  std::vector<int> degrees;
  for (const int tp : GroupSizes(cluster)) {
    bool divides = true;
    for (int module = 0; module < model.module_count(); ++module) {
      divides = divides && model.shape(module).heads % tp == 0;
    }
    if (divides) degrees.push_back(tp);
  }
  return degrees;
}

std::vector<HomogeneousDegrees> UniformDegrees(const ModelSpec& model, const ClusterSpec& cluster, int chunks) {
  std::vector<HomogeneousDegrees> all;
  for (const int tp : TensorDegrees(model, cluster)) AddDegrees(tp, 0, chunks, model, cluster, all);
  return all;
}

std::vector<HomogeneousDegrees> ColocatedDegrees(const ModelSpec& model, const ClusterSpec& cluster, int chunks) {
  std::vector<HomogeneousDegrees> all;
  if (model.encoders.empty()) return all;
  for (const int tp : GroupSizes(cluster)) {
    for (int encoder_tp = 1; encoder_tp < tp; encoder_tp *= 2) {
      AddDegrees(tp, encoder_tp, chunks, model, cluster, all);
    }
  }
  return all;
}

LayoutDecision BestUniform(const PlanningProblem& problem, const std::vector<HomogeneousDegrees>& choices,
                           const std::string& what) {
  PlanSimulator simulator(problem);
  LayoutDecision decision;
  bool found = false;
  for (HomogeneousDegrees degrees : choices) {
    for (const int microbatches : MicrobatchCounts(problem.global_batch_size, degrees.dp)) {
      degrees.microbatches = microbatches;
      Layout layout = BuildLayout(degrees, problem.cost.model(), problem.cost.cluster());
      const Seconds worth_below = found ? decision.predicted : Seconds(std::numeric_limits<double>::infinity());
      const Candidate candidate = simulator.Judge(layout, worth_below);
      if (candidate.predicted > Seconds(0) && candidate.predicted < worth_below) {
        decision.layout = std::move(layout);
        decision.predicted = candidate.predicted;
        found = true;
      }
      decision.candidates.push_back(candidate);
    }
  }
  if (!found) {
    throw Infeasible(simulator.least_bad().empty()
                         ? "no " + what + " exists: the global batch has fewer samples than there are replicas"
                         : "no " + what + " fits into memory; the least bad: " + simulator.least_bad());
  }
  SortCandidates(decision.candidates);
  decision.reason = "the shortest simulated step of " + std::to_string(decision.candidates.size()) + " candidates (" +
                    std::to_string(simulator.simulated()) + " simulated, the others cannot be faster or do not fit)";
  return decision;
}

}  // namespace dflop
