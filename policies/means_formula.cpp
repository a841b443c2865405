#include "policies/means_formula.hpp"

#include <algorithm>
#include <bit>

namespace dflop {
namespace {

template <typename T>
std::optional<T>& Slot(std::vector<std::vector<std::vector<std::optional<T>>>>& table, int module, std::size_t tp,
                       int index) {
  auto& by_tp = table[static_cast<std::size_t>(module)];
  if (by_tp.size() <= tp) by_tp.resize(tp + 1);
  auto& row = by_tp[tp];
  if (row.size() <= static_cast<std::size_t>(index)) row.resize(static_cast<std::size_t>(index) + 1);
  return row[static_cast<std::size_t>(index)];
}

}  // namespace

MeansFormula::MeansFormula(const PlanningProblem& problem) : problem_(problem) {
  const ModelSpec& model = problem.cost.model();
  const double scale = static_cast<double>(problem.global_batch_size) / static_cast<double>(problem.samples.size());
  for (std::size_t e = 0; e < model.encoders.size(); ++e) {
    double tiles = 0;
    for (const SampleShape& sample : problem.samples) tiles += sample.tiles[e];
    whole_.push_back(EncoderBatch(model.encoders[e], tiles * scale));
  }
  std::vector<int> lengths;
  for (const SampleShape& sample : problem.samples) lengths.push_back(sample.llm_tokens);
  SequenceBatch llm;
  for (const auto& group : LlmBatch(lengths, Packing::kPacked).groups) llm.Add(group.length, group.count * scale);
  whole_.push_back(llm);
  sides_.resize(whole_.size());
  states_.resize(whole_.size());
}

std::size_t MeansFormula::TensorIndex(int tp) {
  return static_cast<std::size_t>(std::bit_width(static_cast<unsigned>(tp)));
}

SequenceBatch MeansFormula::MeanBatch(int module, double parts) const {
  SequenceBatch mean;
  for (const auto& group : whole_[static_cast<std::size_t>(module)].groups) {
    mean.Add(group.length, group.count / parts);
  }
  return mean;
}

const MeansFormula::Side& MeansFormula::Evaluate(int module, int tp, int parts) {
  std::optional<Side>& slot = Slot(sides_, module, TensorIndex(tp), parts);
  if (!slot) {
    const ModulePart part{.module = module,
                          .first_layer = 0,
                          .layers = problem_.cost.model().shape(module).layers,
                          .has_input = true,
                          .has_output = true,
                          .tensor_parallel = tp,
                          .sequence_parallel = false};
    const SequenceBatch batch = MeanBatch(module, parts);
    const PartCost cost = problem_.cost.Part(part, batch);
    slot = Side{cost.forward.time + cost.backward.time + cost.weight_gradient.time,
                problem_.cost.Activations(part, batch)};
  }
  return *slot;
}

Bytes MeansFormula::State(int module, const ModuleDegrees& degrees) {
  std::optional<Bytes>& slot = Slot(states_, module, TensorIndex(degrees.tp), degrees.pp);
  if (!slot) {
    const int layers = SplitLayers(problem_.cost.model().shape(module).layers, degrees.pp).front();
    Bytes fullest{0};
    for (const bool first : {true, false}) {
      const ModulePart part{.module = module,
                            .first_layer = 0,
                            .layers = layers,
                            .has_input = first || degrees.pp == 1,
                            .has_output = !first || degrees.pp == 1,
                            .tensor_parallel = degrees.tp,
                            .sequence_parallel = false};
      const StateMemory state = problem_.cost.State(part, degrees.dp);
      fullest = std::max(fullest, state.weights + state.gradients + state.optimizer);
    }
    slot = fullest;
  }
  return *slot;
}

std::optional<Seconds> MeansFormula::StepTime(const SeparateDegrees& d) {
  const Bytes memory = problem_.cost.cluster().node.gpu.memory;
  const int llm = problem_.cost.model().llm_module();
  int depth = d.llm.pp;
  Seconds slowest{0};
  for (const ModuleDegrees& encoder : d.encoders) depth += encoder.pp;
  for (int module = 0; module <= llm; ++module) {
    const ModuleDegrees& m = module == llm ? d.llm : d.encoders[static_cast<std::size_t>(module)];
    const Side& side = Evaluate(module, m.tp, d.microbatches * m.dp);
    const int in_flight = module == llm ? d.llm.pp : depth;
    if (State(module, m) + side.activations * (static_cast<double>(in_flight) / m.pp) > memory) return std::nullopt;
    slowest = std::max(slowest, side.time / m.pp);
  }
  return slowest * (d.microbatches + depth - 1);
}

}  // namespace dflop
