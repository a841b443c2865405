// Times are remembered by TP and number of parts: a search over degrees asks for few different ones.
#include "policies/layout_search/means_formula.hpp"

#include <algorithm>
#include <bit>

#include "base/index.hpp"
#include "models/profiled_batches.hpp"

namespace dflop {
namespace {

constexpr std::size_t kDegrees = 4;  // TP 1, 2, 4, 8

double SizeOf(const SampleShape& sample, int module, int llm) {
  return module == llm ? sample.llm_tokens : sample.tiles[Index(module)];
}

/// What cross-attention layers of the whole LLM add for what they see of a sample: curves over lengths do not know it.
struct MediaCost {
  Seconds time{0};
  Bytes activations{0};
};
MediaCost CostOfMedia(const CostModel& device, int tp, const SampleShape& sample) {
  MediaCost cost;
  if (sample.media_tokens == 0) return cost;
  const int llm = device.model().llm_module();
  const ModulePart part{llm, 0, device.model().shape(llm).layers, true, true, {.tp = tp}};
  const SequenceBatch blind = OneSequence(sample.llm_tokens);
  SequenceBatch seeing;
  seeing.Add(sample.llm_tokens, 1, 0, sample.media_tokens);
  cost.time = TimeOf(device.Part(part, seeing)) - TimeOf(device.Part(part, blind));
  cost.activations = device.Activations(part, seeing) - device.Activations(part, blind);
  return cost;
}

}  // namespace

MeansFormula::MeansFormula(const PlanningProblem& problem)
    : profile_(ProfileModel(problem.cost)),
      global_batch_size_(problem.global_batch_size),
      memory_(problem.cost.cluster().smallest_memory()),
      sides_(profile_.modules.size() * kDegrees) {
  const double scale = static_cast<double>(problem.global_batch_size) / static_cast<double>(problem.samples.size());
  for (int module = 0; module <= llm(); ++module) Prepare(module, problem, scale);
}

void MeansFormula::Prepare(int module, const PlanningProblem& problem, double scale) {
  const ModuleProfile& profile = profile_.modules[Index(module)];
  double size = 0;
  double squares = 0;
  for (const SampleShape& sample : problem.samples) {
    const double own = SizeOf(sample, module, llm());
    size += own * scale;
    squares += own * own * scale;
  }
  sizes_.push_back(size);
  const CostModel device = WithoutHost(problem.cost);
  for (const RankProfile& rank : profile.ranks) {
    Side& side = sides_[Place(module, rank.tp)];
    side.rank = &rank;
    side.activations = rank.activations * size + rank.square_activations * squares;
    if (profile.is_llm) {
      for (const SampleShape& sample : problem.samples) {
        if (sample.llm_tokens > 0) side.attention += profile.AttentionTime(rank, sample.llm_tokens) * scale;
        const MediaCost media = CostOfMedia(device, rank.tp, sample);
        side.attention += media.time * scale;
        side.activations += media.activations * scale;
      }
    }
    side.least_work = profile.linear_flops * size / (rank.linear.highest() * rank.tp) + side.attention;
  }
}

std::size_t MeansFormula::Place(int module, int tp) {
  return Index(module) * kDegrees + static_cast<std::size_t>(std::bit_width(static_cast<unsigned>(tp)) - 1);
}

Seconds MeansFormula::Time(int module, int tp, int parts) {
  Side& side = sides_[Place(module, tp)];
  if (side.times.size() <= Index(parts)) side.times.resize(2 * Index(parts));
  Seconds& time = side.times[Index(parts)];
  if (time == Seconds(0)) {
    time =
        profile_.modules[Index(module)].LinearTime(*side.rank, sizes_[Index(module)] / parts) + side.attention / parts;
  }
  return time;
}

bool MeansFormula::SideFits(int module, const ModuleDegrees& degrees, int microbatches, int in_flight) const {
  const Side& of = side(module, degrees.tp);
  const Bytes state = profile_.modules[Index(module)].State(*of.rank, degrees.pp, degrees.dp);
  return state + of.activations / (microbatches * degrees.dp) * (static_cast<double>(in_flight) / degrees.pp) <=
         memory_;
}

bool MeansFormula::Fits(const SeparatePair& pair, int microbatches) const {
  if (pair.encoder && !SideFits(0, *pair.encoder, microbatches, pair.depth())) return false;
  return SideFits(llm(), pair.llm, microbatches, pair.llm.pp);
}

std::optional<Seconds> MeansFormula::StepTime(const SeparatePair& pair, int microbatches) {
  if (!Fits(pair, microbatches)) return std::nullopt;
  Seconds slowest = Time(llm(), pair.llm.tp, microbatches * pair.llm.dp) / pair.llm.pp;
  if (pair.encoder) {
    const ModuleDegrees& encoder = *pair.encoder;
    slowest = std::max(slowest, Time(0, encoder.tp, microbatches * encoder.dp) / encoder.pp);
  }
  return slowest * (microbatches + pair.depth() - 1);
}

}  // namespace dflop
