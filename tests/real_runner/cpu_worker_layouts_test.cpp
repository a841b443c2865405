// However a step's samples are assigned and wherever layers live, the `cpu` worker's ranks together compute the
// gradients of one stage that runs everything in one microbatch.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "policies/api/v_placement.hpp"
#include "real_runner/kernels/operations.hpp"
#include "real_runner/training/refusal.hpp"
#include "tests/real_runner/worker_driver.hpp"

namespace dflop {
namespace {

constexpr double kLayoutTolerance = 1e-4;

ModelSpec TwoEncoders(bool tied) {
  const std::string deep = R"(, "tiling": "llava-onevision")";
  Json json = ToJson(MicroModel(MicroEncoder("first") + "," + MicroEncoder("second", deep),
                                tied ? R"(, "tied_embeddings": true)" : ""));
  ModelSpec model = ReadModel(JsonReader(json, "two encoders"));
  model.llm.shape.layers = 4;
  for (EncoderSpec& encoder : model.encoders) encoder.shape.layers = 3;
  return model;
}

std::vector<SampleShape> RandomBatch(RandomStream& random, int count, std::size_t encoders) {
  std::vector<SampleShape> batch;
  for (int i = 0; i < count; ++i) {
    SampleShape shape;
    for (std::size_t e = 0; e < encoders; ++e) shape.tiles.push_back(static_cast<int>(random.Below(4)));
    shape.text_tokens = static_cast<int>(random.Below(9));
    shape.llm_tokens = shape.text_tokens + static_cast<int>(random.Below(12)) + (shape.text_tokens == 0 ? 1 : 0);
    batch.push_back(std::move(shape));
  }
  return batch;
}

/// Every bucket gets a sample, the rest fall anywhere; the last of all may be left for later.
BatchPlan RandomAssignment(RandomStream& random, const Layout& layout, int samples, bool defer) {
  std::vector<int> order(Index(samples));
  std::iota(order.begin(), order.end(), 0);
  random.Shuffle(order);
  BatchPlan plan;
  if (defer) {
    plan.deferred.push_back(order.back());
    order.pop_back();
  }
  const int buckets = layout.llm_replicas() * layout.microbatches;
  plan.buckets.assign(Index(layout.llm_replicas()), std::vector<std::vector<int>>(Index(layout.microbatches)));
  for (std::size_t i = 0; i < order.size(); ++i) {
    const int b = i < Index(buckets) ? static_cast<int>(i) : static_cast<int>(random.Below(Index(buckets)));
    plan.buckets[Index(b % layout.llm_replicas())][Index(b / layout.llm_replicas())].push_back(order[i]);
  }
  return plan;
}

/// Samples are encoded anywhere: microbatch by microbatch what the LLM runs, on any replica.
void EncodeElsewhere(RandomStream& random, const Layout& layout, BatchPlan& plan) {
  for (int e = 0; e + 1 < layout.modules(); ++e) {
    const auto replicas = static_cast<std::uint64_t>(layout.replicas_of(e));
    Buckets buckets(replicas, std::vector<std::vector<int>>(Index(layout.microbatches)));
    for (std::size_t k = 0; k < Index(layout.microbatches); ++k) {
      for (const auto& replica : plan.buckets) {
        for (const int i : replica[k]) buckets[random.Below(replicas)][k].push_back(i);
      }
    }
    plan.encoder_buckets.push_back(std::move(buckets));
  }
}

/// The same samples on one device in one microbatch.
Plan InOnePiece(const Plan& plan) {
  HomogeneousDegrees degrees;
  std::vector<BatchPlan> steps;
  for (const PlannedStep& step : plan.steps) {
    BatchPlan together;
    together.buckets = {{{}}};
    together.deferred = step.plan.deferred;
    for (int i = 0; i < static_cast<int>(step.batch.size()); ++i) {
      const bool deferred = std::count(together.deferred.begin(), together.deferred.end(), i) > 0;
      if (!deferred) together.buckets[0][0].push_back(i);
    }
    steps.push_back(std::move(together));
  }
  return MicroPlan(plan.model, BuildLayout(degrees, plan.model, plan.cluster), plan.steps.front().batch,
                   std::move(steps));
}

/// A tied head on a stage of its own is the embedding.
std::string OneName(const Plan& plan, const std::string& name) {
  const std::string llm = std::to_string(plan.model.llm_module()) + "/";
  return plan.model.llm.tied_embeddings && name == llm + "head" ? llm + "embedding" : name;
}

void ExpectGradientsOf(const WorkerDriver& found, const WorkerDriver& wanted, const Plan& plan) {
  EXPECT_NEAR(found.loss(), wanted.loss(), 1e-5 * std::abs(wanted.loss()));
  const reference::Tensors expected = wanted.Gradients();
  const reference::Tensors gradients = found.Gradients();
  EXPECT_GE(gradients.size(), expected.size());
  for (const auto& [name, values] : gradients) {
    EXPECT_LT(RelativeError(values, expected.at(OneName(plan, name))), kLayoutTolerance) << name;
  }
}

void ExpectSameAsInOnePiece(const Plan& plan) {
  SCOPED_TRACE(plan.layout.name);
  ASSERT_EQ(WhyInvalid(plan.steps[0].plan, plan.layout, static_cast<int>(plan.steps[0].batch.size())), "");
  const Plan together = InOnePiece(plan);
  WorkerDriver found(plan);
  WorkerDriver wanted(together);
  ASSERT_NO_FATAL_FAILURE(found.Run(0));
  ASSERT_NO_FATAL_FAILURE(wanted.Run(0));
  ExpectGradientsOf(found, wanted, plan);
}

Layout Homogeneous(const ModelSpec& model, int pp, int dp, int encoder_stages, int microbatches, int chunks = 1) {
  HomogeneousDegrees degrees;
  degrees.pp = pp;
  degrees.dp = dp;
  degrees.encoder_stages = encoder_stages;
  degrees.microbatches = microbatches;
  degrees.chunks = chunks;
  return BuildLayout(degrees, model, A100Nodes(2));
}

Layout Separate(const ModelSpec& model, const ModuleDegrees& encoders, const ModuleDegrees& llm, int microbatches,
                Communicator communicator) {
  SeparateDegrees degrees;
  degrees.encoders.assign(model.encoders.size(), encoders);
  degrees.llm = llm;
  degrees.microbatches = microbatches;
  degrees.communicator = communicator;
  return BuildLayout(degrees, model, A100Nodes(2));
}

TEST(CpuWorkerLayouts, PipelinesReplicasAndSeparateEncodersComputeTheSameGradients) {
  for (const bool tied : {false, true}) {
    const ModelSpec model = TwoEncoders(tied);
    RandomStream random(3, "layouts");
    const std::vector<SampleShape> batch = RandomBatch(random, 9, 2);
    for (const Layout& layout :
         {Homogeneous(model, 2, 1, 1, 3), Homogeneous(model, 1, 2, 0, 2), Homogeneous(model, 4, 2, 2, 2),
          Separate(model, {1, 1, 2, false}, {1, 2, 1, false}, 2, Communicator::kHub),
          Separate(model, {1, 2, 2, false}, {1, 1, 3, false}, 2, Communicator::kDirect)}) {
      ExpectSameAsInOnePiece(MicroPlan(model, layout, batch, {RandomAssignment(random, layout, 9, false)}));
    }
    for (const auto& [schedule, pp, dp] : {std::tuple("chimera", 2, 2), {"chimera", 4, 1}, {"dualpipe", 2, 1}}) {
      const Layout both_ways =
          BuildLayout(HomogeneousDegrees{.pp = pp, .dp = dp, .encoder_stages = 1, .microbatches = 2, .directions = 2},
                      model, A100Nodes(2));
      ExpectSameAsInOnePiece(
          MicroPlan(model, both_ways, batch, {RandomAssignment(random, both_ways, 9, false)}, schedule));
    }
    const Layout interleaved = Homogeneous(model, 2, 1, 2, 4, 2);
    ExpectSameAsInOnePiece(MicroPlan(model, interleaved, batch, {RandomAssignment(random, interleaved, 9, false)},
                                     R"({"name": "interleaved", "chunks": 2})"));
  }
}

/// Two devices, as many chunks and replicas on them as the schedule wants, four microbatches.
Layout LayoutFor(const PipelineSchedule& schedule, const ModelSpec& model) {
  HomogeneousDegrees degrees{.pp = 2,
                             .dp = 1,
                             .encoder_stages = schedule.chunks() / schedule.directions(),
                             .microbatches = 4 / schedule.directions()};
  degrees.directions = schedule.directions();
  degrees.chunks = schedule.chunks() / schedule.directions();
  degrees.turns_back = degrees.chunks % 2 == 0 && schedule.placement(2) == InWaves(2, degrees.chunks);
  return BuildLayout(degrees, model, A100Nodes(2));
}

// Backwards in halves, chunks in any placement, orders out of turn, pairs and both directions: the sums are the same.
TEST(CpuWorkerLayouts, EveryScheduleComputesTheSameGradients) {
  const ModelSpec model = TwoEncoders(true);
  RandomStream random(5, "schedules");
  const std::vector<SampleShape> batch = RandomBatch(random, 9, 2);
  // Not csv, the order of a file; not optimus, whose encoders are divided inside device groups, which the worker
  // refuses; of seq1f1b the next test.
  for (const std::string spec :
       {"1f1b", "gpipe", "eager-1f1b", "interleaved", "bfs", "zb-h1", "zb-h2", "zb-auto", "zb-v", "v-half", "v-min",
        "dualpipev", "dualpipe", "chimera", R"({"name": "hanayo", "waves": 1})", "list",
        R"({"name": "list", "split": true})", "best", "dip"}) {
    SCOPED_TRACE(spec);
    const auto schedule = Plugin<PipelineSchedule>(spec);
    const Layout layout = LayoutFor(*schedule, model);
    ExpectSameAsInOnePiece(MicroPlan(model, layout, batch, {RandomAssignment(random, layout, 9, false)}, spec));
  }
}

TEST(CpuWorkerLayouts, DividedSequencesAreForTheSpinBackendAlone) {
  const ModelSpec model = TwoEncoders(false);
  RandomStream random(6, "splits");
  const std::vector<SampleShape> batch = RandomBatch(random, 9, 2);
  const Layout layout = InSplits(Homogeneous(model, 2, 1, 1, 4), 2);
  const Plan plan = MicroPlan(model, layout, batch, {RandomAssignment(random, layout, 9, false)}, "seq1f1b");
  EXPECT_NE(training::WhyCannot(plan, "cpu").find("the spin backend runs their times"), std::string::npos);
}

TEST(CpuWorkerLayouts, RandomJobsComputeTheGradientsOfOneStage) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomStream random(seed, "random job");
    ModelSpec model = TwoEncoders(random.Below(2) == 0);
    model.encoders.resize(1 + random.Below(2));
    for (EncoderSpec& encoder : model.encoders) encoder.frozen = random.Below(5) == 0;
    model.llm.frozen = random.Below(6) == 0;
    const auto pick = [&](int most) { return 1 + static_cast<int>(random.Below(static_cast<std::uint64_t>(most))); };
    const int microbatches = pick(3);
    Layout layout;
    if (random.Below(2) == 0) {
      const int pp = pick(4);
      layout = Homogeneous(model, pp, pick(3), pp == 1 ? 0 : std::min(pick(pp - 1), 3), microbatches);
    } else {
      const auto communicator = random.Below(2) == 0 ? Communicator::kHub : Communicator::kDirect;
      layout = Separate(model, {1, pick(2), pick(3), false}, {1, pick(2), pick(2), false}, microbatches, communicator);
    }
    const int samples = layout.llm_replicas() * microbatches + 1 + static_cast<int>(random.Below(6));
    const std::vector<SampleShape> batch = RandomBatch(random, samples, model.encoders.size());
    BatchPlan assignment = RandomAssignment(random, layout, samples, random.Below(3) == 0);
    if (random.Below(2) == 0) EncodeElsewhere(random, layout, assignment);
    Plan plan = MicroPlan(model, layout, batch, {std::move(assignment)}, random.Below(3) == 0 ? "gpipe" : "1f1b");
    if (random.Below(3) == 0) plan.software.recompute = Recompute::kFull;
    ExpectSameAsInOnePiece(plan);
  }
}

/// AdamW in float64 on the gradients that the workers found.
class AdamReference {
 public:
  explicit AdamReference(reference::Tensors weights) : weights_(std::move(weights)) {}

  void Step(const reference::Tensors& gradients) {
    ++step_;
    for (const auto& [name, gradient] : gradients) {
      reference::Values& m = first_[name];
      reference::Values& v = second_[name];
      m.resize(gradient.size());
      v.resize(gradient.size());
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        m[i] = kAdam.beta1 * m[i] + (1 - kAdam.beta1) * gradient[i];
        v[i] = kAdam.beta2 * v[i] + (1 - kAdam.beta2) * gradient[i] * gradient[i];
        const double mean = m[i] / (1 - std::pow(kAdam.beta1, step_));
        const double square = v[i] / (1 - std::pow(kAdam.beta2, step_));
        double& weight = weights_[name][i];
        weight -= kAdam.learning_rate * (mean / (std::sqrt(square) + kAdam.epsilon) + kAdam.weight_decay * weight);
      }
    }
  }
  const reference::Tensors& weights() const { return weights_; }

 private:
  reference::Tensors weights_, first_, second_;
  int step_ = 0;
};

/// Where a gradient is nothing but rounding, Adam's first steps still go ±1e-3 on it; so layouts are compared by how
/// far all weights of a tensor are apart, in units of how far they went.
double UpdateError(const reference::Values& found, const reference::Values& wanted, const reference::Values& before) {
  double error = 0;
  double way = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    error += std::abs(found[i] - wanted[i]);
    way += std::abs(wanted[i] - before[i]);
  }
  return way > 0 ? error / way : error;
}

TEST(CpuWorkerLayouts, TwoStepsOfTheOptimizerEndWithTheSameWeights) {
  const ModelSpec model = TwoEncoders(true);
  RandomStream random(5, "two steps");
  const std::vector<SampleShape> batch = RandomBatch(random, 10, 2);
  for (const Layout& layout :
       {Homogeneous(model, 3, 2, 1, 2), Separate(model, {1, 1, 2, false}, {1, 2, 2, false}, 2, Communicator::kHub)}) {
    SCOPED_TRACE(layout.name);
    const Plan plan =
        MicroPlan(model, layout, batch,
                  {RandomAssignment(random, layout, 10, false), RandomAssignment(random, layout, 10, true)});
    const Plan together = InOnePiece(plan);
    WorkerDriver found(plan);
    WorkerDriver wanted(together);
    const reference::Tensors before = found.Weights();
    AdamReference adam(before);
    for (const std::size_t step : {0u, 1u}) {
      ASSERT_NO_FATAL_FAILURE(found.Run(step));
      ASSERT_NO_FATAL_FAILURE(wanted.Run(step));
      ExpectGradientsOf(found, wanted, plan);
      adam.Step(found.Gradients());
      found.StepOptimizers();
      wanted.StepOptimizers();
    }
    const reference::Tensors weights = wanted.Weights();
    for (const auto& [name, values] : found.Weights()) {
      EXPECT_LT(UpdateError(values, weights.at(OneName(plan, name)), before.at(name)), 1e-2) << name;
      EXPECT_LT(RelativeError(values, adam.weights().at(name)), 1e-6) << name;
    }
  }
}

}  // namespace
}  // namespace dflop
