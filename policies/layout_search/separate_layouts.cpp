// Encoders take the first GPUs and the LLM the rest; degrees are factorisations of either number.
#include "policies/layout_search/separate_layouts.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "models/tensor_parallel.hpp"
#include "policies/layout_search/plan_simulator.hpp"

namespace dflop {
namespace {

std::vector<ModuleDegrees> Factorisations(const PlanningProblem& problem, int module, int first_gpu, int gpus) {
  const ModelSpec& model = problem.cost.model();
  const int node = problem.cost.cluster().smallest_domain();
  std::vector<ModuleDegrees> all;
  for (int tp = 1; tp <= std::min(8, node); tp *= 2) {
    const bool stays_in_node = node % tp == 0 && first_gpu % tp == 0;
    if (gpus % tp != 0 || !stays_in_node || !DividesAmong(model, module, tp)) continue;
    for (int pp = 1; pp <= std::min(gpus / tp, model.shape(module).layers); ++pp) {
      if (gpus / tp % pp == 0) all.push_back({tp, pp, gpus / tp / pp, false});
    }
  }
  return all;
}

}  // namespace

SeparateDegrees SeparatePair::With(int microbatches, Communicator communicator) const {
  SeparateDegrees degrees{{}, llm, microbatches, communicator};
  if (encoder) degrees.encoders.push_back(*encoder);
  return degrees;
}

std::vector<SeparatePair> SeparatePairs(const PlanningProblem& problem) {
  const std::size_t encoders = problem.cost.model().encoders.size();
  if (encoders > 1) throw Infeasible("the paper's optimizer knows one encoder, the model has more");
  const int gpus = problem.cost.cluster().gpus();
  std::vector<SeparatePair> all;
  if (encoders == 0) {
    for (const ModuleDegrees& llm : Factorisations(problem, 0, 0, gpus)) all.push_back({std::nullopt, llm});
    return all;
  }
  for (int encoder_gpus = 1; encoder_gpus < gpus; ++encoder_gpus) {
    const auto llms = Factorisations(problem, 1, encoder_gpus, gpus - encoder_gpus);
    for (const ModuleDegrees& encoder : Factorisations(problem, 0, 0, encoder_gpus)) {
      for (const ModuleDegrees& llm : llms) all.push_back({encoder, llm});
    }
  }
  return all;
}

std::string LeastBadSeparate(const PlanningProblem& problem, Communicator communicator) {
  PlanSimulator simulator(problem);
  for (const SeparatePair& pair : SeparatePairs(problem)) {
    const int microbatches = problem.global_batch_size / pair.llm.dp;
    if (microbatches == 0) continue;
    simulator.Fits(BuildLayout(pair.With(microbatches, communicator), problem.cost.model(), problem.cost.cluster()));
  }
  return simulator.least_bad().empty() ? "none, there are fewer samples than replicas" : simulator.least_bad();
}

Communicator CommunicatorOr(const JsonReader& json, Communicator standard) {
  const auto communicator = json.Find("communicator");
  return communicator ? ReadCommunicator(*communicator) : standard;
}

}  // namespace dflop
