// Walks a device's order to see how many mean buckets it holds at once; a module's cap is that of its tightest stage.
#include "policies/api/memory_caps.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <utility>

#include "base/index.hpp"

namespace dflop {
namespace {

/// Bytes that a device holds at most, where each of its stages holds so many of every microbatch.
double MostHeld(const DeviceOrder& order, const std::vector<double>& of_stage) {
  double held = 0;
  double most = 0;
  for (const ScheduledOp& op : order) {
    const double bytes = of_stage[Index(op.chunk)];
    if (op.kind == OpKind::kForward) most = std::max(most, held += bytes);
    if (GivesWeightGradient(op.kind)) held -= bytes;
  }
  return most;
}

/// Of an encoder that is spread over the LLM's devices: its share, as much of every replica's microbatch.
SequenceBatch WorkOf(const BatchContext& context, int module, const SampleShape& sample) {
  const ModelSpec& model = context.cost.model();
  if (model.is_llm(module)) {
    const LlmSequence sequence = SequenceOf(sample);
    return LlmBatch({&sequence, 1}, Packing::kPacked);
  }
  const Layout& layout = context.layout;
  const double share =
      layout.feeds(module) ? static_cast<double>(layout.llm_replicas()) / layout.replicas_of(module) : 1;
  return EncoderBatch(model.encoders[Index(module)], sample.tiles[Index(module)] * share);
}

struct SampleBytes {
  std::vector<double> held{};  ///< by stage, from forward to backward
  double transient = 0;        ///< while it runs
};

/// What of a bucket is on a device at once: all that stages of one replica hold, of two directions the larger.
double HeldAtOnce(const std::vector<double>& of_stage, const std::vector<const Stage*>& stages, const Layout& layout) {
  std::array<double, 2> held{};
  for (std::size_t s = 0; s < stages.size(); ++s) {
    const bool down = layout.feeds(stages[s]->parts.front().module) || layout.DirectionOf(stages[s]->replica) == 0;
    held[down ? 0 : 1] += of_stage[s];
  }
  return std::max(held[0], held[1]);
}

SampleBytes ActivationBytes(const BatchContext& context, const std::vector<const Stage*>& stages,
                            const SampleShape& sample) {
  SampleBytes bytes;
  for (const Stage* stage : stages) {
    double& held = bytes.held.emplace_back();
    for (const ModulePart& part : stage->parts) {
      const SequenceBatch work = WorkOf(context, part.module, sample);
      if (context.cost.NeedsBackward(part)) held += context.cost.Activations(part, work).value();
      bytes.transient = std::max(bytes.transient, context.cost.Transient(part, work).value());
    }
    held *= 1 + context.cost.software().fragmentation;
  }
  return bytes;
}

/// Samples by their shape, of which a large batch has few.
class ShapesOfBatch {
 public:
  explicit ShapesOfBatch(const std::vector<SampleShape>& batch) {
    std::map<std::tuple<std::vector<int>, int, int>, std::size_t> known;
    for (const SampleShape& sample : batch) {
      const auto [entry, is_new] =
          known.try_emplace({sample.tiles, sample.llm_tokens, sample.media_tokens}, different_.size());
      if (is_new) different_.push_back(&sample);
      shape_of_.push_back(entry->second);
    }
  }
  const std::vector<const SampleShape*>& different() const { return different_; }
  const std::vector<std::size_t>& of_samples() const { return shape_of_; }

 private:
  std::vector<const SampleShape*> different_;
  std::vector<std::size_t> shape_of_;
};

double FreeBytes(const BatchContext& context, const std::vector<const Stage*>& stages) {
  // Any replica may get the bucket.
  double free = context.cost.cluster().smallest_memory().value() - context.cost.software().workspace_bytes;
  for (const Stage* stage : stages) {
    for (const ModulePart& part : stage->parts) {
      const StateMemory state = context.cost.State(part, context.layout.copies(part));
      free -= (state.weights + state.gradients + state.optimizer + state.buffers).value();
    }
  }
  return free;
}

/// [group]: stages of the LLM's first replica, and of what runs on its devices beside it.
std::vector<std::vector<const Stage*>> StagesOfFirstReplica(const Layout& layout) {
  std::vector<bool> wanted(layout.groups.size());
  for (const Stage& stage : layout.stages) {
    if (stage.replica == 0 && !layout.feeds(stage.parts.front().module)) wanted[Index(stage.group)] = true;
  }
  std::vector<std::vector<const Stage*>> stages(layout.groups.size());
  for (const Stage& stage : layout.stages) {
    if (wanted[Index(stage.group)]) stages[Index(stage.group)].push_back(&stage);
  }
  return stages;
}

/// The cap of a module's tightest device so far; the amounts by shape, as there may be many samples.
struct Tightest {
  BucketCap cap{};
  std::vector<double> of_shapes{};
  double tightness = 0;
};

}  // namespace

std::vector<BucketCap> MemoryCaps(const BatchContext& context) {
  const Layout& layout = context.layout;
  const std::vector<std::vector<const Stage*>> stages_of_group = StagesOfFirstReplica(layout);
  const ShapesOfBatch shapes(context.batch);
  std::vector<Tightest> of_module(layout.pipelines.size());
  for (std::size_t g = 0; g < stages_of_group.size(); ++g) {
    const auto& stages = stages_of_group[g];
    if (stages.empty()) continue;
    const int module = stages.back()->parts.front().module;
    Tightest device{{"GiB of activations on pipeline stage " + std::to_string(stages.back()->depth) + ", which holds " +
                         context.cost.model().module_name(module),
                     {},
                     FreeBytes(context, stages)}};
    device.cap.unit = 1024.0 * 1024 * 1024;
    const double buckets = static_cast<double>(layout.microbatches) * layout.llm_replicas();
    const int splits = layout.splits;
    std::vector<double> mean_bucket(stages.size());
    std::vector<SampleBytes> of_shapes;
    for (const SampleShape* shape : shapes.different()) {
      const SampleBytes& bytes = of_shapes.emplace_back(ActivationBytes(context, stages, *shape));
      device.of_shapes.push_back(HeldAtOnce(bytes.held, stages, layout) + bytes.transient);
    }
    double all = 0;
    for (const std::size_t shape : shapes.of_samples()) {
      all += device.of_shapes[shape];
      for (std::size_t s = 0; s < stages.size(); ++s) mean_bucket[s] += of_shapes[shape].held[s] / buckets;
    }
    // What other microbatches hold while this one is in every stage of the device, which not all of them are.
    device.cap.limit -= MostHeld(context.orders[g], mean_bucket) / splits - HeldAtOnce(mean_bucket, stages, layout);
    device.tightness = all / std::max(device.cap.limit, 1.0);
    Tightest& tightest = of_module[Index(module)];
    if (tightest.of_shapes.empty() || device.tightness > tightest.tightness) tightest = std::move(device);
  }
  std::vector<BucketCap> caps;
  for (Tightest& device : of_module) {
    if (device.of_shapes.empty()) continue;
    BucketCap& cap = caps.emplace_back(std::move(device.cap));
    cap.amounts.reserve(context.batch.size());
    for (const std::size_t shape : shapes.of_samples()) cap.amounts.push_back(device.of_shapes[shape]);
  }
  return caps;
}

}  // namespace dflop
