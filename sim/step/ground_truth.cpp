// An anomaly changes the costs of a step in place; which shapes are slow is drawn from a stream of its own.
#include "sim/step/ground_truth.hpp"

#include <algorithm>
#include <cmath>

#include "base/index.hpp"
#include "base/random.hpp"
#include "sim/build/step_costs.hpp"

namespace dflop {
namespace {

using PlannedStep = GroundTruth::PlannedStep;

Seconds Whole(const PartCost& cost) { return cost.forward.time + cost.backward.time + cost.weight_gradient.time; }

/// Forward and backward grow in proportion.
void Delay(PartCost& cost, Seconds delay) {
  const double whole = Whole(cost).value();
  for (OperationCost* operation : {&cost.forward, &cost.backward, &cost.weight_gradient}) {
    if (whole > 0) operation->time += delay * (operation->time.value() / whole);
  }
}

Seconds LargestStage(const StepCosts& costs) {
  Seconds largest{0};
  for (const auto& row : costs.stages) {
    for (const PartCost& cost : row) largest = std::max(largest, Whole(cost));
  }
  return largest;
}

/// Ranges in random order, each taken where it brings their samples' share nearer to what is wanted.
std::set<std::int64_t> DrawRanges(const SlowShapes& shapes, std::uint64_t seed) {
  std::vector<std::int64_t> order;
  for (const auto& [range, share] : shapes.ranges) order.push_back(range);
  RandomStream random(seed, "slow shapes");
  random.Shuffle(order);
  std::set<std::int64_t> chosen;
  double missing = shapes.share;
  for (const std::int64_t range : order) {
    const double share = shapes.ranges.at(range);
    if (std::abs(missing - share) >= std::abs(missing)) continue;
    chosen.insert(range);
    missing -= share;
  }
  return chosen;
}

bool Holds(const Stage& stage, const SlowShapes& shapes) {
  return std::any_of(stage.parts.begin(), stage.parts.end(), [&](const ModulePart& part) {
    return part.module == shapes.module && (shapes.all_stages || part.has_input);
  });
}

/// [group]: indices into Layout::stages.
std::vector<std::vector<std::size_t>> StagesByGroup(const Layout& layout) {
  std::vector<std::vector<std::size_t>> stages(layout.groups.size());
  for (std::size_t s = 0; s < layout.stages.size(); ++s) stages[Index(layout.stages[s].group)].push_back(s);
  return stages;
}

/// A group waits for the slowest of its GPUs.
class GroupNoise {
 public:
  GroupNoise(const Noise& noise, std::uint64_t seed, int step, const DeviceGroup& group)
      : common_(StepNoise(noise, seed, step)) {
    for (int i = 0; i < group.size; ++i) gpus_.emplace_back(noise, seed, step, group.first_gpu + i);
  }

  /// Of the group's next operation.
  double Next() {
    double slowest = 0;
    for (DeviceNoise& gpu : gpus_) slowest = std::max(slowest, gpu.Next());
    return common_ * slowest;
  }

 private:
  double common_;
  std::vector<DeviceNoise> gpus_;
};

class Disturber {
 public:
  Disturber(const PlannedStep& step, StepCosts& costs, std::uint64_t seed, Seconds largest_stage)
      : step_(step), costs_(costs), seed_(seed), largest_stage_(largest_stage) {}

  void Apply(const SlowShapes& shapes) {
    for (std::size_t s = 0; s < step_.layout.stages.size(); ++s) {
      const Stage& stage = step_.layout.stages[s];
      if (!Holds(stage, shapes)) continue;
      for (int k = 0; k < step_.layout.units(); ++k) {
        Delay(costs_.stages[s][Index(k)], largest_stage_ * (shapes.delay * Hits(shapes, stage.replica, k)));
      }
    }
  }

  void Apply(const Drift& drift) {
    const double more = std::min(drift.limit, drift.per_step * step_.number);
    if (drift.module < 0) return SlowDown(costs_, 1 + more);
    for (std::size_t s = 0; s < step_.layout.stages.size(); ++s) {
      for (const ModulePart& part : step_.layout.stages[s].parts) {
        if (part.module == drift.module) Stretch(part, s, more);
      }
    }
  }

  void Apply(const SlowDevice& device) {
    if (step_.number < device.from_step) return;
    for (std::size_t s = 0; s < step_.layout.stages.size(); ++s) {
      const DeviceGroup& group = step_.layout.groups[Index(step_.layout.stages[s].group)];
      if (device.gpu < group.first_gpu || device.gpu >= group.first_gpu + group.size) continue;
      for (PartCost& cost : costs_.stages[s]) SlowDown(cost, device.factor);
      costs_.optimizer[s] *= device.factor;
    }
  }

  /// Of a NIC nothing: what goes over it is no part of an operation (MachineOf).
  void Apply(const SlowLink& link) {
    if (link.nic || step_.number < link.from_step) return;
    for (std::size_t s = 0; s < step_.layout.stages.size(); ++s) {
      const DeviceGroup& group = step_.layout.groups[Index(step_.layout.stages[s].group)];
      if (link.gpu < group.first_gpu || link.gpu >= group.first_gpu + group.size) continue;
      for (PartCost& cost : costs_.stages[s]) {
        for (OperationCost* operation : {&cost.forward, &cost.backward, &cost.weight_gradient}) {
          operation->time += operation->tensor_parallel_communication * (link.factor - 1);
          operation->tensor_parallel_communication *= link.factor;
        }
      }
    }
  }
  void Apply(const FlappingNic&) {}

  /// Microbatch by microbatch, so that a policy with more of them meets the same draws first. Both halves of a backward
  /// share theirs: split or whole, it varies alike.
  void Apply(const Noise& noise) {
    const std::vector<std::vector<std::size_t>> stages = StagesByGroup(step_.layout);
    for (std::size_t g = 0; g < stages.size(); ++g) {
      GroupNoise factors(noise, seed_, step_.number, step_.layout.groups[g]);
      const double of_optimizer = factors.Next();
      for (const std::size_t s : stages[g]) costs_.optimizer[s] *= of_optimizer;
      for (int k = 0; k < step_.layout.units(); ++k) {
        for (const std::size_t s : stages[g]) {
          PartCost& cost = costs_.stages[s][Index(k)];
          SlowDown(cost.forward, factors.Next());
          const double of_backward = factors.Next();
          SlowDown(cost.backward, of_backward);
          SlowDown(cost.weight_gradient, of_backward);
        }
      }
    }
  }

 private:
  /// Delays of a replica's microbatch: a share of them where replicas share its samples.
  double Hits(const SlowShapes& shapes, int replica, int k) const {
    double hits = 0;
    for (const int i : SamplesIn(step_.plan, step_.layout, shapes.module, replica, step_.layout.MicrobatchOf(k))) {
      const double tokens = TokensIn(step_.cost.model(), shapes.module, step_.batch[Index(i)]);
      if (shapes.slow.contains(RangeOf(tokens, shapes.range_tokens))) hits += 1;
    }
    if (shapes.per_microbatch) hits = std::min(hits, 1.0);
    const bool shared = RunsUnion(step_.plan, step_.layout, shapes.module);
    return shared ? hits / step_.layout.replicas_of(shapes.module) : hits;
  }

  /// A stage may hold parts of other modules, which keep their time.
  void Stretch(const ModulePart& part, std::size_t s, double more) {
    const auto& row = step_.work[Index(part.module)][Index(step_.layout.stages[s].replica)];
    const KindId kind = KindOf(step_.layout.stages[s], step_.layout, step_.cost.cluster());
    for (std::size_t k = 0; k < row.size(); ++k) {
      const PartCost own = step_.cost.Part(part, row[k], kind);
      PartCost& cost = costs_.stages[s][k];
      cost.forward.time += own.forward.time * more;
      cost.backward.time += own.backward.time * more;
      cost.weight_gradient.time += own.weight_gradient.time * more;
    }
  }

  const PlannedStep& step_;
  StepCosts& costs_;
  std::uint64_t seed_;
  Seconds largest_stage_;
};

}  // namespace

std::int64_t RangeOf(double tokens, double range_tokens) {
  return static_cast<std::int64_t>(std::floor(tokens / range_tokens));
}

void SlowDown(StepCosts& costs, double factor) {
  for (auto& row : costs.stages) {
    for (PartCost& cost : row) SlowDown(cost, factor);
  }
}

GroundTruth::GroundTruth(const std::vector<Anomaly>& anomalies, std::uint64_t seed)
    : anomalies_(anomalies), seed_(seed) {
  for (Anomaly& anomaly : anomalies_) {
    if (auto* shapes = std::get_if<SlowShapes>(&anomaly)) shapes->slow = DrawRanges(*shapes, seed);
  }
}

std::optional<ClusterSpec> GroundTruth::MachineOf(const ClusterSpec& cluster, int step) const {
  std::optional<ClusterSpec> machine;
  const auto slowed = [&]() -> ClusterSpec& { return machine ? *machine : machine.emplace(cluster); };
  for (const Anomaly& anomaly : anomalies_) {
    if (const auto* link = std::get_if<SlowLink>(&anomaly); link != nullptr && step >= link->from_step) {
      if (link->nic) {
        slowed().SlowNic(cluster.nic_number(link->gpu), link->factor);
      } else {
        slowed().SlowNvLink(link->gpu, link->factor);
      }
    }
    if (const auto* nic = std::get_if<FlappingNic>(&anomaly)) {
      const int number = cluster.nic_number(nic->gpu);
      RandomStream random(seed_, "flapping nic/" + std::to_string(step) + "/" + std::to_string(number));
      if (random.Uniform() < nic->share) slowed().SlowNic(number, nic->factor);
    }
  }
  return machine;
}

void GroundTruth::Disturb(const PlannedStep& step, StepCosts& costs) {
  if (largest_stage_ < Seconds(0)) largest_stage_ = LargestStage(costs);
  Disturber disturber(step, costs, seed_, largest_stage_);
  for (const Anomaly& anomaly : anomalies_) {
    std::visit([&](const auto& kind) { disturber.Apply(kind); }, anomaly);
  }
}

}  // namespace dflop
