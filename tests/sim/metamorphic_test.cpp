// More work or a slower device never makes a step shorter: pairs of steps that differ in one thing whose effect has a
// known sign, with layout, orders and batch plan held fixed, on the replay engine.
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>

#include "sim/build/step_costs.hpp"
#include "tests/sim/random_step.hpp"

namespace dflop {
namespace {

constexpr std::uint64_t kSteps = 150;
constexpr double kRounding = 1e-12;  // relative; sums of the same terms in the same order

/// A pair: what is changed and the step's time with the change.
struct Change {
  std::string name;
  double seconds;
};

/// No model of these tests has as many bytes of gradients on a rank.
constexpr double kWholeBucket = 1e9;

using Edit = std::function<void(RandomStep&)>;

class Changes {
 public:
  Changes(const RandomStep& step, std::uint64_t seed) : step_(step), random_(seed, "changes") {}

  std::vector<Change> All() {
    Links();
    Devices();
    Software();
    Kernels();
    Operations();
    Tokens();
    return std::move(changes_);
  }

 private:
  int Below(int bound) { return static_cast<int>(random_.Below(static_cast<std::uint64_t>(bound))); }

  void With(const std::string& name, const Edit& edit) {
    RandomStep changed = step_;
    edit(changed);
    changes_.push_back({name, changed.Seconds()});
  }
  void Disturbed(const std::string& name, const std::function<void(StepCosts&)>& disturb) {
    changes_.push_back({name, step_.Seconds([&](const StepWork&, StepCosts& costs) { disturb(costs); })});
  }

  void Links() {
    With("half the NIC rate", [](RandomStep& s) { s.cluster.only_node().nic_bandwidth /= 2; });
    With("half the NVLink rate", [](RandomStep& s) { s.cluster.only_node().intra_bandwidth /= 2; });
    With("ten times the NIC latency", [](RandomStep& s) { s.cluster.only_node().nic_latency *= 10; });
    With("ten times the NVLink latency", [](RandomStep& s) { s.cluster.only_node().intra_latency *= 10; });
    With("half the NICs", [](RandomStep& s) { s.cluster.only_node().nics /= 2; });
    With("one NIC", [](RandomStep& s) { s.cluster.only_node().nics = 1; });
  }

  void Devices() {
    With("slower tensor cores", [](RandomStep& s) { s.compute_factor = 1.7; });
    With("slower memory", [](RandomStep& s) { s.memory_factor = 2; });
    With("a launch takes 20 µs", [](RandomStep& s) { s.software.host_per_kernel = Seconds(20e-6); });
  }

  void Software() {
    With("24 bytes a parameter", [](RandomStep& s) { s.software.bytes_per_parameter = 24; });
    With("twice the bytes of a gradient", [](RandomStep& s) {
      s.software.bytes_per_parameter += s.software.gradient_bytes;  // the optimizer's own state stays as it is
      s.software.gradient_bytes *= 2;
      s.software.bucket_bytes *= 2;  // the same parameters in each
    });
    // Every bucket more costs a ring's latency, whatever it hides.
    if (step_.software.overlap_gradients && step_.software.bucket_bytes > kWholeBucket) {
      With("gradients that wait for the end", [](RandomStep& s) { s.software.overlap_gradients = false; });
    }
  }

  void Kernels() {
    With("launches that block", [](RandomStep& s) { s.software.launch = Launch::kBlocking; });
    With("sustained clocks", [](RandomStep& s) { s.software.sustained_clocks = true; });
    With("collectives that nothing hides", [](RandomStep& s) { s.software.overlap_tensor_parallel = false; });
    With("an unfused optimizer", [](RandomStep& s) { s.software.fused_optimizer = false; });
    With("clipped gradients", [](RandomStep& s) { s.software.clip_gradients = true; });
    With("all layers recomputed", [](RandomStep& s) { s.software.recompute_share = 1; });
    With("unfused gates", [](RandomStep& s) { s.software.fused_activation = false; });
    With("eager norms", [](RandomStep& s) { s.software.fused_norms = false; });
    With("gradients added up apart", [](RandomStep& s) { s.software.fused_accumulation = false; });
    if (step_.software.attention_kernel == AttentionKernel::kTable) {
      With("attention of 2022", [](RandomStep& s) { s.software.attention_kernel = AttentionKernel::kFlash1; });
    }
  }

  void Operations() {
    const int stage = Below(static_cast<int>(step_.layout.stages.size()));
    const int microbatch = Below(step_.layout.microbatches);
    const int replica = step_.layout.stages[Index(stage)].replica;
    const double factor = 1.5 + 8.5 * random_.Uniform();
    const auto slow = [&](const std::string& name, const std::function<bool(std::size_t, int)>& chosen) {
      Disturbed(name, [&](StepCosts& costs) { SlowCells(costs, chosen, factor); });
    };
    SlowOne(stage, microbatch, factor);
    slow("a slower stage", [&](std::size_t s, int) { return s == Index(stage); });
    slow("a slower microbatch", [&](std::size_t, int k) { return k == microbatch; });
    slow("a slower replica", [&](std::size_t s, int) { return step_.layout.stages[s].replica == replica; });
    slow("a slower last microbatch of one stage",
         [&](std::size_t s, int k) { return s == Index(stage) && k + 1 == step_.layout.microbatches; });
    Disturbed("a slower optimizer", [&](StepCosts& costs) { costs.optimizer[Index(stage)] *= factor; });
  }

  void SlowOne(int stage, int microbatch, double factor) {
    const auto one = [&](const std::string& name, OperationCost PartCost::*operation) {
      Disturbed(name,
                [&](StepCosts& costs) { (costs.stages[Index(stage)][Index(microbatch)].*operation).time *= factor; });
    };
    one("a longer forward", &PartCost::forward);
    one("a longer backward", &PartCost::backward);
    one("a longer weight gradient", &PartCost::weight_gradient);
  }

  static void SlowCells(StepCosts& costs, const std::function<bool(std::size_t, int)>& chosen, double factor) {
    for (std::size_t s = 0; s < costs.stages.size(); ++s) {
      for (std::size_t k = 0; k < costs.stages[s].size(); ++k) {
        if (!chosen(s, static_cast<int>(k))) continue;
        PartCost& cost = costs.stages[s][k];
        for (OperationCost* part : {&cost.forward, &cost.backward, &cost.weight_gradient}) part->time *= factor;
      }
    }
  }

  void Tokens() {
    const std::size_t sample = random_.Below(step_.batch.size());
    With("more text in one sample", [&](RandomStep& s) { s.batch[sample].llm_tokens += 700; });
    With("one token more", [&](RandomStep& s) { s.batch[sample].llm_tokens += 1; });
    if (step_.model.encoders.empty()) return;
    With("one tile more", [&](RandomStep& s) { s.batch[sample].tiles.front() += 1; });
    With("ten tiles more", [&](RandomStep& s) { s.batch[sample].tiles.back() += 10; });
  }

  const RandomStep& step_;
  RandomStream random_;
  std::vector<Change> changes_;
};

/// Returns how many pairs it looked at.
std::size_t ExpectNeverShorter(std::uint64_t seed) {
  const RandomStep step = RandomStepMaker(seed).Make();
  const double before = step.Seconds();
  EXPECT_GT(before, 0);
  const std::vector<Change> changes = Changes(step, seed).All();
  for (const Change& change : changes) {
    EXPECT_GE(change.seconds, before * (1 - kRounding))
        << change.name << ": " << step.layout.name << ", " << step.pipeline << ", software "
        << ToJson(step.software).Dump() << "\nreplay: DFLOP_METAMORPHIC_SEED=" << seed
        << " dflop_tests --gtest_filter=MetamorphicPairs.*";
  }
  return changes.size();
}

TEST(MetamorphicPairs, MoreWorkOrASlowerDeviceNeverShortensAStep) {
  if (const char* seed = std::getenv("DFLOP_METAMORPHIC_SEED")) {
    ExpectNeverShorter(std::strtoull(seed, nullptr, 10));
    return;
  }
  std::size_t pairs = 0;
  for (std::uint64_t seed = 1; seed <= kSteps; ++seed) pairs += ExpectNeverShorter(seed);
  EXPECT_GE(pairs, 15 * kSteps);
}

/// The generator draws what the claim is about.
TEST(MetamorphicPairs, AreDrawnFromEveryKindOfStep) {
  int separate = 0, hub = 0, interleaved = 0, overlapped = 0, frozen = 0, padded = 0, colocated = 0, text = 0;
  int narrow = 0, sustained = 0, blocking = 0, hidden = 0, share = 0;
  for (std::uint64_t seed = 1; seed <= kSteps; ++seed) {
    const RandomStep step = RandomStepMaker(seed).Make();
    const bool apart = step.layout.joins();
    separate += apart;
    hub += apart && step.layout.communicator == Communicator::kHub;
    interleaved += step.pipeline.find("interleaved") != std::string::npos;
    overlapped += step.software.overlap_gradients && step.layout.llm_replicas() > 1;
    frozen += step.model.llm.frozen || (!step.model.encoders.empty() && step.model.encoders.front().frozen);
    padded += step.software.packing == Packing::kPadded;
    colocated += !apart && !step.model.encoders.empty() && DegreesOf(step.layout).back().pp == 1;
    text += step.model.encoders.empty();
    const SoftwareStack& software = step.software;
    narrow += software.packed_values() > 1;
    sustained += software.sustained_clocks;
    blocking += software.launch == Launch::kBlocking && software.host_per_kernel > Seconds(0);
    hidden += software.overlap_tensor_parallel;
    share += software.recompute == Recompute::kFull && software.recompute_share < 1;
  }
  for (const int count : {separate, hub, interleaved, overlapped, frozen, padded, colocated, text, narrow, sustained,
                          blocking, hidden, share}) {
    EXPECT_GE(count, 5);
  }
}

}  // namespace
}  // namespace dflop
