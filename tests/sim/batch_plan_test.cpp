// Encoder buckets that differ from the LLM's: validity, routes, waiting and bytes by hand; the weights of the gradient.
#include <gtest/gtest.h>

#include <cmath>

#include "sim/build/graph_builder.hpp"
#include "sim/plan/plan_file.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

/// Samples {2 tiles, 500 tokens}, {6, 1400}, {1, 300}, {9, 2000}.
const std::vector<SampleShape> kBatch = {{{2}, 500, 80}, {{6}, 1400, 140}, {{1}, 300, 90}, {{9}, 2000, 110}};

Layout TwoReplicas(int pp) {
  return BuildLayout(HomogeneousDegrees{1, pp, 2, pp > 1 ? 1 : 0, 2}, SmallVlm(), A100Nodes(1));
}

BatchPlan Exchanged() {
  BatchPlan plan{{{{0}, {1}}, {{2}, {3}}}};
  plan.encoder_buckets = {{{{2}, {1, 3}}, {{0}, {}}}};  // microbatch 0 crosswise, microbatch 1 all on replica 0
  return plan;
}

TEST(BatchPlanPerModule, EncoderMayRunElsewhereAndEarlierButNotLater) {
  // Samples 0 and 2 are microbatch 0 of the LLM, 1 and 3 microbatch 1.
  BatchPlan plan = Exchanged();
  EXPECT_EQ(WhyInvalid(plan, TwoReplicas(1), 4), "");
  plan.encoder_buckets[0] = {{{2, 3}, {1}}, {{0}, {}}};
  EXPECT_EQ(WhyInvalid(plan, TwoReplicas(1), 4), "") << "sample 3 is encoded in microbatch 0 and waits for 1";
  plan.encoder_buckets[0] = {{{2}, {0, 3}}, {{1}, {}}};
  EXPECT_EQ(WhyInvalid(plan, TwoReplicas(1), 4), "encodes sample 0 in microbatch 1, and the LLM runs it in 0");
  plan.encoder_buckets[0] = {{{2}, {3}}, {{0}, {}}};
  EXPECT_EQ(WhyInvalid(plan, TwoReplicas(1), 4), "does not encode sample 1");
  plan.encoder_buckets[0] = {{{2}, {1, 3}}, {{0, 2}, {}}};
  EXPECT_EQ(WhyInvalid(plan, TwoReplicas(1), 4), "encodes sample 2 twice");
}

TEST(BatchPlanPerModule, SaysInWhichMicrobatchesSamplesWereEncoded) {
  // Sample 3 runs in LLM microbatch 1 and is encoded in 0: LLM microbatch 1 waits for both, 0 for its own.
  BatchPlan plan = Exchanged();
  EXPECT_TRUE(EncodedIn(plan, 4).empty()) << "every sample in the microbatch of the same index";
  plan.encoder_buckets[0] = {{{2, 3}, {1}}, {{0}, {}}};
  const std::vector<std::vector<int>> expected = {{0}, {0, 1}};
  EXPECT_EQ(EncodedIn(plan, 4), expected);
  // What moves belongs to the LLM's microbatch: in 1, replica 0 encodes both sample 1 (6 tiles, for replica 0) and
  // sample 3 (9 tiles, for replica 1).
  const CostModel cost = SmallJob();
  const StepWork work = DivideWork(plan, TwoReplicas(1), cost, kBatch);
  const std::vector<TileRoute> deferred = {{0, 0, 6}, {0, 1, 9}};
  EXPECT_EQ(work.routes[0][1], deferred);
}

TEST(BatchPlanPerModule, EverySampleRunsOnceOrIsDeferred) {
  BatchPlan plan{{{{0}, {1}}, {{2}, {3}}}};
  EXPECT_EQ(WhyInvalid(plan, TwoReplicas(1), 5), "forgets sample 4");
  plan.deferred = {4};
  EXPECT_EQ(WhyInvalid(plan, TwoReplicas(1), 5), "");
  plan.deferred = {4, 2};
  EXPECT_EQ(WhyInvalid(plan, TwoReplicas(1), 5), "runs sample 2 twice");
}

TEST(BatchPlanPerModule, RoutesSayWhoEncodesForWhom) {
  const CostModel cost = SmallJob();
  const StepWork work = DivideWork(Exchanged(), TwoReplicas(1), cost, kBatch);
  const std::vector<TileRoute> crosswise = {{0, 1, 1}, {1, 0, 2}};
  const std::vector<TileRoute> all_on_one = {{0, 0, 6}, {0, 1, 9}};
  EXPECT_EQ(work.routes[0][0], crosswise);
  EXPECT_EQ(work.routes[0][1], all_on_one);
  EXPECT_EQ(work.sequences[0][0][1].tokens, 15 * 729.0);
  EXPECT_TRUE(work.sequences[0][1][1].empty());
}

double Makespan(const Layout& layout, const StepWork& work, const StepCosts& costs, bool communication) {
  const CostModel cost = SmallJob();
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  return MakeReplayEngine()
      ->Run(BuildGraph({cost, layout, orders}, work, costs,
                       {.communication = communication ? CommunicationKinds{} : kNoCommunication}))
      .makespan.value();
}

TEST(BatchPlanPerModule, ExchangeMakesReplicasMeetBetweenEncoderAndLlm) {
  // One device per replica, two microbatches. Encoder forward 1 on replica 0 and 4 on replica 1, LLM 3 and 1, backward
  // for nothing. Each its own: replica 0 needs 2·(1+3) = 8, replica 1 2·(4+1) = 10. With the exchange nobody's LLM
  // starts before both have encoded: at 4, until 7 on replica 0, whose gradients both encoders wait for. Then the same
  // again: encoders until 11, LLMs until 14.
  const Layout layout = TwoReplicas(1);
  const CostModel cost = SmallJob();
  const auto seconds = [](const Stage& stage, int) {
    const bool encoder = stage.parts.front().module == 0;
    const double forward = encoder ? (stage.replica == 0 ? 1.0 : 4.0) : (stage.replica == 0 ? 3.0 : 1.0);
    return std::pair<double, double>(forward, 0.0);
  };
  const StepCosts costs = HandMadeCosts(layout, seconds);
  BatchPlan own = Exchanged();
  own.encoder_buckets.clear();
  EXPECT_DOUBLE_EQ(Makespan(layout, DivideWork(own, layout, cost, kBatch), costs, false), 10);
  EXPECT_DOUBLE_EQ(Makespan(layout, DivideWork(Exchanged(), layout, cost, kBatch), costs, false), 14);
}

TEST(BatchPlanPerModule, ExchangeIsCharged) {
  // The bytes on the way are those of the tiles that change replicas, forward and backward: 1 + 2 and 9.
  const Layout layout = TwoReplicas(1);
  const CostModel cost = SmallJob();
  const StepWork work = DivideWork(Exchanged(), layout, cost, kBatch);
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  const OperationGraph graph = BuildGraph({cost, layout, orders}, work, PriceStep(cost, layout, work));
  double bytes = 0;
  for (const Operation& operation : graph.operations) {
    if (operation.kind != OpKind::kTransfer || operation.communication < 0) continue;
    bytes += graph.communications.BytesOf(operation.communication).value();
  }
  EXPECT_DOUBLE_EQ(bytes, 2 * cost.ProjectedBytes(0, 12).value());
}

TEST(GradientWeights, KeepTheGradientOfTheGlobalBatch) {
  // Every token of text has a random gradient. The mean over all of them must be what the weighted sum of the
  // microbatches' means gives; plain averaging of the means does not.
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    RandomStream random(seed, "gradients");
    const auto batch = UnevenSamples(40, seed);
    BatchPlan plan;
    plan.buckets.assign(3, std::vector<std::vector<int>>(4));
    for (int i = 0; i < 40; ++i) plan.buckets[random.Below(3)][random.Below(4)].push_back(i);
    for (auto& replica : plan.buckets) std::erase_if(replica, [](const auto& bucket) { return bucket.empty(); });
    const auto weights = GradientWeights(plan, batch);
    double all = 0;
    double tokens = 0;
    double weighted = 0;
    double averaged = 0;
    double buckets = 0;
    double sum_of_weights = 0;
    for (std::size_t r = 0; r < plan.buckets.size(); ++r) {
      for (std::size_t k = 0; k < plan.buckets[r].size(); ++k) {
        double sum = 0;
        double count = 0;
        for (const int i : plan.buckets[r][k]) {
          const int text = batch[static_cast<std::size_t>(i)].text_tokens;
          for (int t = 0; t < text; ++t) sum += random.Uniform();
          count += text;
        }
        all += sum, tokens += count, buckets += 1;
        weighted += weights[r][k] * sum / count;
        averaged += sum / count;
        sum_of_weights += weights[r][k];
      }
    }
    EXPECT_NEAR(sum_of_weights, 1, 1e-12);
    EXPECT_NEAR(weighted, all / tokens, 1e-12);
    EXPECT_GT(std::abs(averaged / buckets - all / tokens), 1e-6) << "seed " << seed;
  }
}

Plan PlanWithEverything() {
  Plan plan{"e", "s", "p", 1, SmallVlm(), A100Nodes(1), {}, TwoReplicas(1), {}, {}};
  plan.orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), plan.layout);
  PlannedStep step{kBatch, Exchanged(), {}};
  step.batch.push_back({{3}, 900, 100});
  step.plan.deferred = {4};
  plan.steps.push_back(std::move(step));
  return plan;
}

TEST(PlanFile, CarriesEncoderPlansDeferredSamplesAndWeights) {
  const Plan plan = PlanWithEverything();
  const Json json = ToJson(plan);
  const Plan read = ReadPlan(JsonReader(json, "plan.json"));
  EXPECT_EQ(read.steps[0].plan.encoder_buckets, plan.steps[0].plan.encoder_buckets);
  EXPECT_EQ(read.steps[0].plan.deferred, plan.steps[0].plan.deferred);
  EXPECT_EQ(ToJson(read), json);
  // 80 of 420 tokens of text; the deferred sample's 100 do not count.
  const JsonReader first = JsonReader(json, "plan.json").At("steps").Elements()[0].At("gradient_weights").Elements()[0];
  EXPECT_DOUBLE_EQ(first.Elements()[0].Number(0, 1), 80.0 / 420.0);
}

TEST(PlanFile, WeightsThatDoNotFollowFromThePlanAreRefused) {
  Json json = ToJson(PlanWithEverything());
  json["steps"].as<Json::Array>()[0]["gradient_weights"].as<Json::Array>()[1].as<Json::Array>()[0] = Json(0.9);
  try {
    ReadPlan(JsonReader(json, "plan.json"));
    FAIL() << "was accepted";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("/steps/0/gradient_weights/1/0"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace dflop
