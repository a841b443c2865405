// Memory over the step: state that stays, activations that wait for their backward in the order each device runs.
#include <algorithm>
#include <map>
#include <tuple>

#include "base/text.hpp"
#include "sim/measure/metrics.hpp"

namespace dflop {
namespace {

/// What a microbatch takes on a part.
struct Held {
  Bytes activations{0};  ///< from its forward to its backward; nothing where nobody waits for a backward
  Bytes transient{0};    ///< while it runs
};

/// One part of one stage of a device, with its microbatches.
struct Resident {
  const std::vector<Held>* held;
  StageMemoryUse use;
};

/// The many stages of a module that hold equally many middle layers hold the same of a replica's microbatches.
class HeldOfParts {
 public:
  HeldOfParts(const CostModel& cost, const StepWork& work) : cost_(cost), work_(work) {}

  /// [microbatch]
  const std::vector<Held>& Row(const ModulePart& part, int replica) {
    const auto [entry, is_new] =
        rows_.try_emplace({part.module, replica, cost_.Layers(part), part.has_input, part.has_output, part.mesh});
    if (!is_new) return entry->second;
    const double fragmentation = 1.0 + cost_.software().fragmentation;
    const bool waits = cost_.NeedsBackward(part);
    const auto& batches = work_[static_cast<std::size_t>(part.module)][static_cast<std::size_t>(replica)];
    entry->second.reserve(batches.size());
    for (const SequenceBatch& batch : batches) {
      entry->second.push_back(
          {waits ? cost_.Activations(part, batch) * fragmentation : Bytes(0), cost_.Transient(part, batch)});
    }
    return entry->second;
  }

 private:
  const CostModel& cost_;
  const StepWork& work_;
  std::map<std::tuple<int, int, LayerCounts, bool, bool, Mesh>, std::vector<Held>> rows_;
};

/// Which stage of a module's own pipeline a device is.
class StagePlaces {
 public:
  explicit StagePlaces(const Layout& layout)
      : positions_(DevicePositions(layout)), first_(layout.pipelines.size(), layout.depth) {
    for (const Stage& stage : layout.stages) {
      for (const ModulePart& part : stage.parts) {
        int& first = first_[static_cast<std::size_t>(part.module)];
        first = std::min(first, positions_[static_cast<std::size_t>(stage.depth)]);
      }
    }
  }
  int StageInModule(const Stage& stage, int module) const {
    return positions_[static_cast<std::size_t>(stage.depth)] - first_[static_cast<std::size_t>(module)];
  }

 private:
  std::vector<int> positions_;
  std::vector<int> first_;  ///< [module]
};

class DeviceMemory {
 public:
  DeviceMemory(const CostModel& cost, const Layout& layout, HeldOfParts& parts, const std::vector<const Stage*>& stages,
               const StagePlaces& places)
      : cost_(cost) {
    for (const Stage* stage : stages) AddStage(*stage, layout, parts, places);
    if (!residents_.empty()) residents_.front().use.other += Bytes(cost.software().workspace_bytes);
  }

  /// Walks the order; leaves every part's activations as they are at the device's peak.
  void Walk(const DeviceOrder& order) {
    std::vector<Bytes> held(residents_.size());
    Bytes peak{-1};
    for (const ScheduledOp& op : order) {
      const auto chunk = static_cast<std::size_t>(op.chunk);
      if (chunk + 1 >= chunk_begin_.size()) continue;
      const Bytes transient = Transient(chunk, op.microbatch);
      if (op.kind == OpKind::kForward) Change(held, chunk, op.microbatch, 1.0);
      Bytes now = transient;
      for (const Bytes bytes : held) now += bytes;
      if (now > peak) {
        peak = now;
        Record(held, chunk, transient);
      }
      if (GivesWeightGradient(op.kind)) Change(held, chunk, op.microbatch, -1.0);
    }
  }

  Bytes total() const {
    Bytes sum{0};
    for (const Resident& resident : residents_) sum += resident.use.total();
    return sum;
  }
  /// By module; its chunks on the device together.
  std::map<int, StageMemoryUse> ByModule() const {
    std::map<int, StageMemoryUse> sums;
    ForEach([&](const StageMemoryUse& use) {
      const auto [entry, is_new] = sums.try_emplace(use.module, use);
      if (!is_new) entry->second += use;
    });
    return sums;
  }
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const Resident& resident : residents_) visit(resident.use);
  }

 private:
  void AddStage(const Stage& stage, const Layout& layout, HeldOfParts& parts, const StagePlaces& places) {
    for (const ModulePart& part : stage.parts) {
      const StateMemory state = cost_.State(part, layout.copies(part));
      MemoryParts held{.weights = state.weights, .gradients = state.gradients, .optimizer = state.optimizer};
      held.other = state.buffers;
      const StageMemoryUse use{held, part.module, places.StageInModule(stage, part.module)};
      residents_.push_back({&parts.Row(part, stage.replica), use});
    }
    chunk_begin_.push_back(residents_.size());
  }
  Bytes Transient(std::size_t chunk, int microbatch) const {
    Bytes largest{0};
    for (std::size_t i = chunk_begin_[chunk]; i < chunk_begin_[chunk + 1]; ++i) {
      largest = std::max(largest, (*residents_[i].held)[static_cast<std::size_t>(microbatch)].transient);
    }
    return largest;
  }
  void Change(std::vector<Bytes>& held, std::size_t chunk, int microbatch, double sign) const {
    for (std::size_t i = chunk_begin_[chunk]; i < chunk_begin_[chunk + 1]; ++i) {
      held[i] += (*residents_[i].held)[static_cast<std::size_t>(microbatch)].activations * sign;
    }
  }
  void Record(const std::vector<Bytes>& held, std::size_t active, Bytes transient) {
    // What came and went in another order leaves a rest of rounding, below nothing where nothing is held.
    for (std::size_t i = 0; i < held.size(); ++i) residents_[i].use.activations = std::max(held[i], Bytes(0));
    residents_[chunk_begin_[active]].use.activations += transient;
  }

  const CostModel& cost_;
  std::vector<Resident> residents_;             ///< chunk by chunk
  std::vector<std::size_t> chunk_begin_ = {0};  ///< [chunk]; a chunk is a stage
};

std::string GiB(Bytes bytes) { return Fixed(bytes.value() / (1024.0 * 1024.0 * 1024.0), 1) + " GiB"; }

/// The largest term of a device, and by how much it exceeds the limit.
std::string Explain(const DeviceMemory& device, const CostModel& cost, Bytes limit) {
  std::string term;
  Bytes largest{0};
  device.ForEach([&](const StageMemoryUse& use) {
    for (const MemoryPart& part : kMemoryParts) {
      if (use.*part.bytes <= largest) continue;
      largest = use.*part.bytes;
      term = std::string(part.words) + " of " + cost.model().module_name(use.module) + " stage " +
             std::to_string(use.stage);
    }
  });
  return GiB(device.total()) + " wanted, " + GiB(limit) + " there, " + GiB(device.total() - limit) +
         " too much; the largest term is " + GiB(largest) + " of " + term;
}

}  // namespace

MemoryUse PeakMemory(const Job& job, const StepWork& work, std::span<const ReplicaClass> classes) {
  const Layout& layout = job.layout;
  const CostModel& cost = job.cost;
  std::vector<std::vector<const Stage*>> stages_of_group(layout.groups.size());
  const std::vector<int> copies = CopiesByReplica(classes, layout);
  for (const Stage& stage : layout.stages) {
    const bool stands_for_itself = copies.empty() || copies[static_cast<std::size_t>(stage.replica)] > 0;
    if (stands_for_itself) stages_of_group[static_cast<std::size_t>(stage.group)].push_back(&stage);
  }
  const StagePlaces places(layout);
  HeldOfParts parts(cost, work);
  std::map<std::pair<int, int>, StageMemoryUse> largest;
  MemoryUse use;
  Bytes most_over{0};
  for (std::size_t g = 0; g < layout.groups.size(); ++g) {
    if (stages_of_group[g].empty()) continue;
    DeviceMemory device(cost, layout, parts, stages_of_group[g], places);
    device.Walk(job.orders[g]);
    use.peak = std::max(use.peak, device.total());
    const Bytes limit = cost.cluster().node_at(layout.groups[g].first_gpu).gpu.memory;
    if (device.total() - limit > most_over) {
      most_over = device.total() - limit;
      use.fits = false;
      use.too_large = Explain(device, cost, limit);
    }
    for (const auto& [module, stage] : device.ByModule()) {
      const auto [entry, is_new] = largest.try_emplace({module, stage.stage}, stage);
      if (!is_new && stage.total() > entry->second.total()) entry->second = stage;
    }
  }
  for (const auto& [key, stage] : largest) use.stages.push_back(stage);
  return use;
}

}  // namespace dflop
