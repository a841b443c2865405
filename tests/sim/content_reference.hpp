// What the tests of the hashes share: their encoding written a second time from its description in
// sim/plan/content_bytes.hpp, and jobs with numbers that mean nothing changed.
#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/index.hpp"
#include "base/random.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop::reference {

inline std::string Count(long long value) {
  std::string bytes;
  do {
    bytes.push_back(static_cast<char>((value & 0x7f) | (value > 0x7f ? 0x80 : 0)));
    value >>= 7;
  } while (value > 0);
  return bytes;
}

inline std::string Text(const std::string& text) { return Count(static_cast<long long>(text.size())) + text; }

inline std::string Time(double seconds) {
  seconds += 0.0;  // -0 + 0 = 0
  std::string bytes(sizeof seconds, '\0');
  std::memcpy(bytes.data(), &seconds, sizeof seconds);  // the machines that build this are little-endian
  return bytes;
}

inline std::string Set(const std::vector<int>& samples) {
  std::string bytes = Count(static_cast<long long>(samples.size()));
  for (const int sample : samples) bytes += Count(sample);
  return bytes;
}

}  // namespace dflop::reference

namespace dflop {

/// 0 … count−1 in random order.
inline std::vector<int> Permutation(int count, RandomStream& random) {
  std::vector<int> order;
  order.reserve(Index(count));
  for (int i = 0; i < count; ++i) order.push_back(i);
  random.Shuffle(order);
  return order;
}

/// The same layout under other numbers: stages, groups and, per module, replicas are stored in another order.
struct Relabeled {
  Layout layout{};
  std::vector<int> stage{};                 ///< [old] new
  std::vector<int> group{};                 ///< [old] new
  std::vector<std::vector<int>> replica{};  ///< [module][old] new; [0] for all modules of a homogeneous layout
};

inline Relabeled Relabel(const Layout& layout, RandomStream& random) {
  Relabeled other{layout, Permutation(static_cast<int>(layout.stages.size()), random),
                  Permutation(static_cast<int>(layout.groups.size()), random)};
  for (int module = 0; module < layout.modules(); ++module) {
    const bool first = other.replica.empty();
    const int replicas = layout.replicas_of(module);
    other.replica.push_back(first || layout.joins() ? Permutation(replicas, random) : other.replica[0]);
  }
  for (std::size_t g = 0; g < layout.groups.size(); ++g) {
    other.layout.groups[static_cast<std::size_t>(other.group[g])] = layout.groups[g];
  }
  for (std::size_t s = 0; s < layout.stages.size(); ++s) {
    Stage stage = layout.stages[s];
    stage.group = other.group[static_cast<std::size_t>(stage.group)];
    stage.replica =
        other.replica[static_cast<std::size_t>(stage.parts.front().module)][static_cast<std::size_t>(stage.replica)];
    other.layout.stages[static_cast<std::size_t>(other.stage[s])] = stage;
  }
  return other;
}

/// One layout of every sort that there is, under the schedule that suits it.
struct Sort {
  std::string name;
  Layout layout;
  std::string pipeline = "1f1b";
  std::string batching = "random";
};

inline std::vector<Sort> SortsOfLayouts() {
  const ClusterSpec cluster = A100Nodes(1);
  const auto homogeneous = [&](const HomogeneousDegrees& degrees) { return BuildLayout(degrees, SmallVlm(), cluster); };
  const auto separate = [&](Communicator communicator) {
    const ModuleDegrees encoder{1, 1, 2, false};
    return BuildLayout(SeparateDegrees{{encoder}, {1, 2, 3, false}, 3, communicator}, SmallVlm(), cluster);
  };
  HomogeneousDegrees colocated{.tp = 2, .dp = 3, .microbatches = 3};
  colocated.encoder_tp = 1;
  return {{"pipeline", homogeneous({.pp = 2, .dp = 4, .encoder_stages = 1, .microbatches = 3})},
          {"tensor parallel",
           homogeneous({.tp = 2, .pp = 2, .dp = 2, .encoder_stages = 1, .microbatches = 3, .sequence_parallel = true})},
          {"colocated", homogeneous(colocated)},
          {"interleaved", homogeneous({.pp = 2, .dp = 3, .encoder_stages = 1, .microbatches = 4, .chunks = 2}),
           "interleaved"},
          {"exchange", homogeneous({.pp = 2, .dp = 3, .encoder_stages = 1, .microbatches = 2}), "1f1b", "orchmllm"},
          {"hub", separate(Communicator::kHub)},
          {"direct", separate(Communicator::kDirect)}};
}

/// The same orders with the weight gradients behind their backwards as operations of their own.
inline std::vector<DeviceOrder> Split(const std::vector<DeviceOrder>& orders) {
  std::vector<DeviceOrder> split;
  for (const DeviceOrder& order : orders) {
    DeviceOrder& added = split.emplace_back();
    for (const ScheduledOp& op : order) {
      if (op.kind != OpKind::kBackward) {
        added.push_back(op);
        continue;
      }
      added.push_back({OpKind::kBackwardInput, op.microbatch, op.chunk});
      added.push_back({OpKind::kBackwardWeight, op.microbatch, op.chunk});
    }
  }
  return split;
}

inline BatchPlan PlanFor(const CostModel& cost, const Sort& sort, const std::vector<DeviceOrder>& orders,
                         const std::vector<SampleShape>& batch, std::uint64_t seed) {
  RandomStream random(seed, "plan");
  return Plugin<BatchScheduler>(sort.batching)
      ->Schedule(MakeBatchProblem(BatchContext{cost, sort.layout, orders, batch}), random);
}

}  // namespace dflop
