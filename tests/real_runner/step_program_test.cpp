// The runner's own account of who needs what from whom, held against the batch plan and the simulator's graph.
#include "real_runner/program/step_program.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/index.hpp"
#include "real_runner/program/plan_graph.hpp"
#include "tests/real_runner/runner_plans.hpp"

namespace dflop {
namespace {

using Tile = std::tuple<int, int, int>;  // encoder, sample, tile

void AddTiles(const std::vector<TileRange>& ranges, int encoder, std::multiset<Tile>& tiles) {
  for (const TileRange& range : ranges) {
    for (int i = range.first; i < range.first + range.count; ++i) tiles.insert({encoder, range.sample, i});
  }
}

std::multiset<Tile> EveryTile(const std::vector<SampleShape>& batch) {
  std::multiset<Tile> tiles;
  for (int i = 0; i < static_cast<int>(batch.size()); ++i) AddTiles({{i, 0, batch[Index(i)].tiles[0]}}, 0, tiles);
  return tiles;
}

class EveryPlan : public testing::TestWithParam<std::size_t> {
 protected:
  EveryPlan() {
    PlanRecipe recipe = EveryKindOfPlan()[GetParam()];
    recipe.samples = 24;
    plan_ = MakePlan(SmallJob(), recipe);
    program_ = MakeStepProgram(plan_, 0);
  }
  bool IsLlm(int stage) const { return plan_.model.is_llm(plan_.layout.stages[Index(stage)].parts.front().module); }

  Plan plan_;
  StepProgram program_;
};

TEST_P(EveryPlan, EncodesEveryTileOnce) {
  std::multiset<Tile> encoded;
  for (const auto& replica : program_.shares[0]) {
    for (const ModuleShare& share : replica) AddTiles(share.tiles, 0, encoded);
  }
  EXPECT_EQ(encoded, EveryTile(plan_.steps[0].batch));
}

TEST_P(EveryPlan, BringsEveryTileOnceToTheReplicaThatRunsItsSample) {
  std::multiset<Tile> brought;
  for (const Message& message : program_.messages) {
    if (message.backward || !IsLlm(message.to_stage) || IsLlm(message.from_stage)) continue;
    const int replica = plan_.layout.stages[Index(message.to_stage)].replica;
    const auto& samples =
        plan_.steps[0].plan.buckets[Index(replica)][Index(plan_.layout.MicrobatchOf(message.microbatch))];
    for (const Piece& piece : message.pieces) {
      AddTiles(piece.tiles, piece.module, brought);
      for (const TileRange& range : piece.tiles) {
        EXPECT_NE(std::find(samples.begin(), samples.end(), range.sample), samples.end());
      }
    }
  }
  EXPECT_EQ(brought, EveryTile(plan_.steps[0].batch));
}

TEST_P(EveryPlan, BringsEveryGradientBackToTheTilesEncoder) {
  std::multiset<Tile> brought;
  for (const Message& message : program_.messages) {
    if (!message.backward || IsLlm(message.to_stage)) continue;
    for (const Piece& piece : message.pieces) {
      // The hub's inbox holds what it passes on: only what reaches an encoder's backward counts.
      const bool passed_on = message.hub_queue >= 0;
      if (piece.projected && !passed_on) AddTiles(piece.tiles, piece.module, brought);
    }
  }
  EXPECT_EQ(brought, EveryTile(plan_.steps[0].batch));
}

TEST_P(EveryPlan, SendsWhatIsReceivedAndNothingElse) {
  std::vector<int> sent(program_.messages.size());
  std::vector<int> received(program_.messages.size());
  for (std::size_t rank = 0; rank < program_.ranks.size(); ++rank) {
    const auto note = [&](const std::vector<int>& messages, std::vector<int>& counts, bool sends) {
      for (const int m : messages) {
        ++counts[Index(m)];
        const Message& message = program_.messages[Index(m)];
        EXPECT_EQ(sends ? message.from_rank : message.to_rank, static_cast<int>(rank));
      }
    };
    for (const Action& action : program_.ranks[rank].actions) {
      note(action.sends, sent, true);
      note(action.receives, received, false);
    }
    for (const Relay& relay : program_.ranks[rank].relays) {
      note(relay.out, sent, true);
      note(relay.in, received, false);
    }
  }
  EXPECT_EQ(sent, std::vector<int>(sent.size(), 1));
  EXPECT_EQ(received, std::vector<int>(received.size(), 1));
}

/// Ranks take turns; an action runs once all it receives has been sent.
TEST_P(EveryPlan, CanBeFollowedToItsEnd) {
  std::set<int> here;
  std::vector<std::size_t> next(program_.ranks.size());
  const auto all_here = [&](const std::vector<int>& messages) {
    return std::all_of(messages.begin(), messages.end(), [&](int m) { return here.contains(m); });
  };
  for (bool moved = true; moved;) {
    moved = false;
    for (std::size_t rank = 0; rank < program_.ranks.size(); ++rank) {
      for (const Relay& relay : program_.ranks[rank].relays) {
        if (all_here(relay.in)) here.insert(relay.out.begin(), relay.out.end());
      }
      const auto& actions = program_.ranks[rank].actions;
      if (next[rank] == actions.size() || !all_here(actions[next[rank]].receives)) continue;
      here.insert(actions[next[rank]].sends.begin(), actions[next[rank]].sends.end());
      ++next[rank];
      moved = true;
    }
  }
  for (std::size_t rank = 0; rank < next.size(); ++rank) EXPECT_EQ(next[rank], program_.ranks[rank].actions.size());
}

/// The simulator prices two bytes a value. A gathering or an even division among encoders is priced by the mean, so
/// that those agree in sum only.
TEST_P(EveryPlan, MovesTheBytesThatTheSimulatorPrices) {
  double moved = 0;
  double priced = 0;
  for (const Message& message : program_.messages) {
    if (message.from_rank != message.to_rank) moved += 2 * static_cast<double>(message.values());
  }
  for (const PlannedOperation& operation : plan_.steps[0].operations) {
    if (operation.kind == OpKind::kTransfer) priced += operation.bytes.value();
  }
  const bool evenly = plan_.layout.joins() && DegreesOf(plan_.layout)[0].dp > 1;
  EXPECT_NEAR(moved, priced, (evenly ? 0.1 : 1e-9) * priced);
}

TEST_P(EveryPlan, ReducesTheStagesThatTheSimulatorReduces) {
  std::multiset<int> reduced;
  for (const Collective& collective : program_.collectives) reduced.insert(collective.operation_stage);
  std::multiset<int> priced;
  for (const PlannedOperation& operation : plan_.steps[0].operations) {
    if (operation.kind == OpKind::kGradientReduction) priced.insert(operation.stage);
  }
  EXPECT_EQ(reduced, priced);
}

INSTANTIATE_TEST_SUITE_P(StepProgram, EveryPlan, testing::Range(std::size_t{0}, EveryKindOfPlan().size()));

/// 5 tiles of two samples over three encoder replicas: 2, 2 and 1.
TEST(StepProgram, UnionOfAMicrobatchIsDividedInWholeTiles) {
  const CostModel cost = SmallJob();
  Plan plan = MakePlan(cost, {Separate({1, 1, 3}, {1, 1, 1}, 1, Communicator::kDirect), "1f1b", "in-order", 2});
  plan.steps[0].batch = {{{3}, 700, 70}, {{2}, 500, 80}};
  plan.steps[0].plan = {{{{0, 1}}}};
  const auto shares = MakeStepProgram(plan, 0).shares[0];
  const std::vector<TileRange> first = {{0, 0, 2}};
  const std::vector<TileRange> second = {{0, 2, 1}, {1, 0, 1}};
  const std::vector<TileRange> third = {{1, 1, 1}};
  EXPECT_EQ(shares[0][0].tiles, first);
  EXPECT_EQ(shares[1][0].tiles, second);
  EXPECT_EQ(shares[2][0].tiles, third);
}

TEST(StepProgram, FrozenEncodersGetNoGradients) {
  ModelSpec model = SmallVlm();
  model.encoders[0].frozen = model.encoders[0].projector_frozen = true;
  const CostModel cost(model, A100Nodes(1), BuiltInKernelCosts(A100Nodes(1).only_node().gpu), {});
  const Plan plan = MakePlan(cost, {Separate({1, 1, 2}, {1, 1, 2}, 2, Communicator::kHub, model)});
  const StepProgram program = MakeStepProgram(plan, 0);
  for (const Message& message : program.messages) EXPECT_FALSE(message.backward);
  for (const Collective& collective : program.collectives) {
    EXPECT_TRUE(model.is_llm(plan.layout.stages[Index(collective.stages[0])].parts.front().module));
  }
}

}  // namespace
}  // namespace dflop
