// Claims on the decision hash: what changes it, what does not, and its bytes written down by hand.
#include "sim/plan/decision_hash.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "base/index.hpp"
#include "tests/sim/content_reference.hpp"

namespace dflop {
namespace {

using reference::Count;
using reference::Set;
using reference::Text;

std::string HashOf(const Layout& layout, const std::vector<DeviceOrder>& orders, const std::vector<BatchPlan>& plans) {
  DecisionHash hash(layout, orders);
  for (const BatchPlan& plan : plans) hash.AddStep(plan);
  return hash.Hex();
}

/// A decision that tests change piece by piece.
struct Decision {
  Layout layout;
  std::vector<DeviceOrder> orders;
  BatchPlan plan;
  std::string Hash() const { return HashOf(layout, orders, {plan}); }
};

Decision MakeDecision(const Sort& sort) {
  const CostModel cost = SmallJob();
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>(sort.pipeline), sort.layout);
  return {sort.layout, orders, PlanFor(cost, sort, orders, UnevenSamples(48, 5), 5)};
}

/// What a relabelled layout makes of the same decision.
Decision Renumbered(const Decision& decision, const Relabeled& other) {
  Decision result{other.layout, decision.orders, decision.plan};
  const auto stages_of = [](const Layout& layout, int group) {
    std::vector<int> stages;
    for (std::size_t s = 0; s < layout.stages.size(); ++s) {
      if (layout.stages[s].group == group) stages.push_back(static_cast<int>(s));
    }
    return stages;
  };
  for (std::size_t g = 0; g < decision.orders.size(); ++g) {
    const auto before = stages_of(decision.layout, static_cast<int>(g));
    const auto after = stages_of(other.layout, other.group[g]);
    DeviceOrder order;
    for (ScheduledOp op : decision.orders[g]) {
      const int stage = other.stage[Index(before[Index(op.chunk)])];
      op.chunk = static_cast<int>(std::find(after.begin(), after.end(), stage) - after.begin());
      order.push_back(op);
    }
    result.orders[Index(other.group[g])] = order;
  }
  const auto move = [&](const Buckets& from, Buckets& to, std::size_t module) {
    for (std::size_t r = 0; r < from.size(); ++r) to[Index(other.replica[module][r])] = from[r];
  };
  move(decision.plan.buckets, result.plan.buckets, other.replica.size() - 1);
  for (std::size_t e = 0; e < decision.plan.encoder_buckets.size(); ++e) {
    move(decision.plan.encoder_buckets[e], result.plan.encoder_buckets[e], e);
  }
  return result;
}

TEST(DecisionHash, NumbersOfStagesGroupsAndReplicasMeanNothing) {
  for (const Sort& sort : SortsOfLayouts()) {
    const Decision decision = MakeDecision(sort);
    const std::string hash = decision.Hash();
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
      RandomStream random(seed, "relabel");
      EXPECT_EQ(Renumbered(decision, Relabel(decision.layout, random)).Hash(), hash) << sort.name << ", seed " << seed;
    }
  }
}

TEST(DecisionHash, NamesNotesAndTheOrderInsideABucketMeanNothing) {
  for (const Sort& sort : SortsOfLayouts()) {
    Decision decision = MakeDecision(sort);
    const std::string hash = decision.Hash();
    decision.layout.name = "another";
    decision.plan.note = "a note";
    std::reverse(decision.plan.buckets[0][0].begin(), decision.plan.buckets[0][0].end());
    EXPECT_EQ(decision.Hash(), hash) << sort.name;
  }
}

TEST(DecisionHash, SortsOfLayoutsDiffer) {
  std::vector<std::string> hashes;
  for (const Sort& sort : SortsOfLayouts()) hashes.push_back(MakeDecision(sort).Hash());
  std::sort(hashes.begin(), hashes.end());
  EXPECT_EQ(std::adjacent_find(hashes.begin(), hashes.end()), hashes.end());
}

void EditLastOrder(Decision& decision, const std::function<void(std::vector<ScheduledOp>&)>& edit) {
  std::vector<ScheduledOp> entries(decision.orders.back().begin(), decision.orders.back().end());
  edit(entries);
  decision.orders.back() = entries;
}

TEST(DecisionHash, EveryPieceOfTheDecisionChangesIt) {
  using Change = std::function<void(Decision&)>;
  const std::vector<std::pair<std::string, Change>> changes = {
      {"two samples of two replicas change places",
       [](Decision& d) { std::swap(d.plan.buckets[0][0][0], d.plan.buckets[1][0][0]); }},
      {"two buckets change places", [](Decision& d) { std::swap(d.plan.buckets[0][0], d.plan.buckets[0][1]); }},
      {"two replicas change places", [](Decision& d) { std::swap(d.plan.buckets[0], d.plan.buckets[1]); }},
      {"a sample waits",
       [](Decision& d) {
         d.plan.deferred.push_back(d.plan.buckets[0][0].back());
         d.plan.buckets[0][0].pop_back();
       }},
      {"encoders have buckets of their own", [](Decision& d) { d.plan.encoder_buckets = {d.plan.buckets}; }},
      {"another GPU", [](Decision& d) { d.layout.groups.back().first_gpu += 100; }},
      {"more GPUs", [](Decision& d) { ++d.layout.groups.back().size; }},
      {"other layers", [](Decision& d) { ++d.layout.stages.back().parts.back().first_layer; }},
      {"fewer layers", [](Decision& d) { --d.layout.stages.back().parts.back().layers; }},
      {"no output", [](Decision& d) { d.layout.stages.back().parts.back().has_output = false; }},
      {"tensor parallel", [](Decision& d) { d.layout.stages.back().parts.back().mesh.tp = 7; }},
      {"sequence parallel", [](Decision& d) { d.layout.stages.back().parts.back().mesh.sequence_parallel ^= true; }},
      {"tiles divided", [](Decision& d) { d.layout.stages.front().parts.back().mesh.data_split = 7; }},
      {"microbatches", [](Decision& d) { ++d.layout.microbatches; }},
      {"an order", [](Decision& d) { EditLastOrder(d, [](auto& ops) { std::swap(ops.front(), ops.back()); }); }},
      {"another kind", [](Decision& d) { EditLastOrder(d, [](auto& ops) { ops.back().kind = OpKind::kForward; }); }},
      {"a split backward", [](Decision& d) { d.orders = Split(d.orders); }},
  };
  for (const Sort& sort : SortsOfLayouts()) {
    const Decision decision = MakeDecision(sort);
    const std::string hash = decision.Hash();
    for (const auto& [what, change] : changes) {
      if (what.starts_with("encoders") && sort.batching == "orchmllm") continue;  // they have them
      Decision changed = decision;
      change(changed);
      EXPECT_NE(changed.Hash(), hash) << sort.name << ": " << what;
    }
  }
}

TEST(DecisionHash, CommunicatorCountsWhereEncodersHaveDevicesOfTheirOwn) {
  for (const Sort& sort : SortsOfLayouts()) {
    Decision decision = MakeDecision(sort);
    const std::string hash = decision.Hash();
    const bool hub = decision.layout.communicator == Communicator::kHub;
    decision.layout.communicator = hub ? Communicator::kDirect : Communicator::kHub;
    EXPECT_EQ(decision.Hash() != hash, decision.layout.joins()) << sort.name;
    const std::string other = decision.Hash();
    decision.layout.communicator.blocking = true;
    EXPECT_EQ(decision.Hash() != other, decision.layout.joins()) << sort.name;
  }
}

TEST(DecisionHash, StepsCountInTheirOrder) {
  const Decision decision = MakeDecision(SortsOfLayouts().front());
  BatchPlan other = decision.plan;
  std::swap(other.buckets[0], other.buckets[1]);
  EXPECT_NE(HashOf(decision.layout, decision.orders, {decision.plan, other}),
            HashOf(decision.layout, decision.orders, {other, decision.plan}));
  EXPECT_NE(HashOf(decision.layout, decision.orders, {decision.plan, decision.plan}), decision.Hash());
}

// One encoder replica on GPU 0, two LLM replicas of two stages each on GPUs 1, 2 (first stages) and 3, 4.
TEST(DecisionHash, BytesAreThoseOfItsDescription) {
  const ModuleDegrees encoder{1, 1, 1, false};
  const Layout layout =
      BuildLayout(SeparateDegrees{{encoder}, {1, 2, 2, false}, 1, Communicator::kDirect}, SmallVlm(), A100Nodes(1));
  const DeviceOrder order = {{OpKind::kForward, 0, 0}, {OpKind::kBackwardInput, 0, 0}, {OpKind::kBackwardWeight, 0, 0}};
  const DeviceOrder whole = {{OpKind::kForward, 0, 0}, {OpKind::kBackward, 0, 0}};
  const std::string end = Text("");
  const auto stage = [&](int gpu, int module, int first, int layers, const std::string& ends) {
    return Count(gpu) + Count(1) + Count(1) + Count(module) + Count(first) + Count(layers) + ends + end;
  };
  const std::string input = Text("input") + Count(1);
  const std::string output = Text("output") + Count(1);
  std::string bytes = Text("dflop/decision/1") + Count(3);
  bytes += Count(1) + stage(0, 0, 0, 8, input + output);
  for (const int r : {0, 1}) bytes += Count(2) + stage(1 + r, 1, 0, 6, input) + stage(3 + r, 1, 6, 6, output);
  bytes += Count(1) + Text("communicator") + Text("direct") + end + end + Count(5);
  const auto entry = [&](const std::string& kind) { return Text(kind) + Count(0) + end; };
  for (int gpu = 0; gpu < 4; ++gpu) {
    bytes += Count(gpu) + Count(1) + Count(3) + entry("forward") + entry("backward-input") + entry("backward-weight");
  }
  bytes += Count(4) + Count(1) + Count(2) + entry("forward") + entry("backward");
  bytes += Count(2) + Count(1) + Set({1, 300}) + Count(1) + Set({2}) + Text("deferred") + Set({0, 5}) +
           Text("encoder_buckets") + Count(1) + Count(1) + Count(1) + Set({1, 2, 300}) + end;
  const BatchPlan plan{.buckets = {{{300, 1}}, {{2}}}, .encoder_buckets = {{{{2, 300, 1}}}}, .deferred = {5, 0}};
  EXPECT_EQ(HashOf(layout, {order, order, order, order, whole}, {plan}), Sha256Hex(bytes));
}

// One stage of a text-only model, whose second forward is half of a pair at a share of 0.75.
TEST(DecisionHash, BytesOfAPairNameItsShare) {
  ModelSpec model = SmallVlm();
  model.encoders.clear();
  const Layout layout = BuildLayout(HomogeneousDegrees{.microbatches = 2}, model, A100Nodes(1));
  const DeviceOrder alone = {{OpKind::kForward, 0}, {OpKind::kForward, 1}, {OpKind::kBackward, 0}};
  const DeviceOrder pair = {{OpKind::kForward, 0}, {OpKind::kForward, 1, 0, 0, 0.75}, {OpKind::kBackward, 0}};
  const std::string end = Text("");
  const std::string ends = Text("input") + Count(1) + Text("output") + Count(1) + end;
  const auto bytes = [&](const std::string& of_pair) {
    return Text("dflop/decision/1") + Count(1) + Count(1)                             //
           + Count(0) + Count(1) + Count(1) + Count(0) + Count(0) + Count(12) + ends  //
           + Count(2) + end + Count(1) + Count(0) + Count(1) + Count(3)               //
           + Text("forward") + Count(0) + end + Text("forward") + Count(1) + of_pair + end + Text("backward") +
           Count(0) + end + Count(1) + Count(2) + Set({0}) + Set({1}) + end;
  };
  const BatchPlan plan{.buckets = {{{0}, {1}}}};
  EXPECT_EQ(HashOf(layout, {alone}, {plan}), Sha256Hex(bytes("")));
  // 0.75 = 1.5 · 2⁻¹: exponent 1022, fraction one half.
  EXPECT_EQ(HashOf(layout, {pair}, {plan}), Sha256Hex(bytes(Text("pair") + Count(0x3FE8000000000000))));
}

// One stage of a text-only model; the second step runs its two microbatches the other way round.
TEST(DecisionHash, BytesOfAStepNameOrdersOfItsOwn) {
  ModelSpec model = SmallVlm();
  model.encoders.clear();
  const Layout layout = BuildLayout(HomogeneousDegrees{.microbatches = 2}, model, A100Nodes(1));
  const DeviceOrder order = {{OpKind::kForward, 0}, {OpKind::kForward, 1}};
  const DeviceOrder turned = {{OpKind::kForward, 1}, {OpKind::kForward, 0}};
  const std::string end = Text("");
  const std::string ends = Text("input") + Count(1) + Text("output") + Count(1) + end;
  const std::string group = Count(1) + Count(0) + Count(1) + Count(2);
  const auto forward = [&](int k) { return Text("forward") + Count(k) + end; };
  const std::string buckets = Count(1) + Count(2) + Set({0}) + Set({1});
  const std::string bytes = Text("dflop/decision/1") + Count(1) + Count(1)                             //
                            + Count(0) + Count(1) + Count(1) + Count(0) + Count(0) + Count(12) + ends  //
                            + Count(2) + end + group + forward(0) + forward(1)                         //
                            + buckets + end                                                            //
                            + buckets + Text("orders") + group + forward(1) + forward(0) + end;
  const std::vector<DeviceOrder> orders = {order};
  DecisionHash hash(layout, orders);
  hash.AddStep({.buckets = {{{0}, {1}}}});
  hash.AddStep({.buckets = {{{0}, {1}}}}, {turned});
  EXPECT_EQ(hash.Hex(), Sha256Hex(bytes));
}

// Two stages of one device: the second is chunk 1, tensor parallelism 2 is no default.
TEST(DecisionHash, BytesNameChunksAndDegreesThatAreNoDefault) {
  const Layout layout =
      BuildLayout(HomogeneousDegrees{.tp = 2, .microbatches = 1, .sequence_parallel = true}, SmallVlm(), A100Nodes(1));
  const DeviceOrder order = {
      {OpKind::kForward, 0, 0}, {OpKind::kForward, 0, 1}, {OpKind::kBackward, 0, 1}, {OpKind::kBackward, 0, 0}};
  const std::string end = Text("");
  const std::string fields = Text("input") + Count(1) + Text("output") + Count(1) + Text("sequence_parallel") +
                             Count(1) + Text("tensor_parallel") + Count(2) + end;
  const std::string chunk = Text("chunk") + Count(1);
  const std::string bytes = Text("dflop/decision/1") + Count(1) + Count(2)                                   //
                            + Count(0) + Count(2) + Count(1) + Count(0) + Count(0) + Count(8) + fields       //
                            + Count(0) + Count(2) + Count(1) + Count(1) + Count(0) + Count(12) + fields      //
                            + Count(1) + end                                                                 //
                            + Count(1) + Count(0) + Count(2) + Count(4)                                      //
                            + Text("forward") + Count(0) + end + Text("forward") + Count(0) + chunk + end    //
                            + Text("backward") + Count(0) + chunk + end + Text("backward") + Count(0) + end  //
                            + Count(1) + Count(1) + Set({0}) + end;
  EXPECT_EQ(HashOf(layout, {order}, {BatchPlan{.buckets = {{{0}}}}}), Sha256Hex(bytes));
}

}  // namespace
}  // namespace dflop
