// The `cpu` worker on micro models: against the float64 reference, against finite differences of the loss, and against
// itself trained another way.
#include "real_runner/execute/cpu_worker.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>

#include "tests/real_runner/worker_driver.hpp"

namespace dflop {
namespace {

constexpr double kWorkerTolerance = 1e-4;

Layout OneDevice(const ModelSpec& model, int microbatches) {
  HomogeneousDegrees degrees;
  degrees.microbatches = microbatches;
  return BuildLayout(degrees, model, A100Nodes(2));
}

/// Every sample of the batch, in microbatches of `count`.
BatchPlan InOrder(std::size_t samples, std::size_t count) {
  BatchPlan plan;
  plan.buckets.emplace_back();
  for (std::size_t i = 0; i < samples; ++i) {
    if (i % count == 0) plan.buckets[0].emplace_back();
    plan.buckets[0].back().push_back(static_cast<int>(i));
  }
  return plan;
}

Plan OnePlan(const ModelSpec& model, const std::vector<SampleShape>& batch, std::size_t microbatch) {
  BatchPlan plan = InOrder(batch.size(), microbatch);
  const int microbatches = static_cast<int>(plan.buckets[0].size());
  return MicroPlan(model, OneDevice(model, microbatches), batch, {std::move(plan)});
}

/// As many visual tokens as rows (4 a tile), more, and fewer; no text; a text-only sample with its dummy tile.
std::vector<SampleShape> MixedBatch() { return {{{2}, 13, 5}, {{1}, 13, 3}, {{3}, 9, 2}, {{1}, 4, 0}, {{1}, 6, 6}}; }

void ExpectEqual(const reference::Tensors& found, const reference::Tensors& wanted, double tolerance) {
  for (const auto& [name, values] : found) {
    ASSERT_TRUE(wanted.contains(name)) << name;
    EXPECT_LT(RelativeError(values, wanted.at(name)), tolerance) << name;
  }
}

void ExpectReference(const Plan& plan) {
  WorkerDriver driver(plan);
  ASSERT_NO_FATAL_FAILURE(driver.Run(0));
  const reference::StepResult wanted = reference::RunStep(plan, 0, driver.Weights());
  EXPECT_NEAR(driver.loss(), wanted.loss, 1e-5 * wanted.loss);
  EXPECT_GT(wanted.loss, 1.0);  // about log 32
  ExpectEqual(driver.Gradients(), wanted.gradients, kWorkerTolerance);
}

TEST(CpuWorker, LossAndEveryGradientAreThoseOfTheReference) {
  const Plan plan = OnePlan(MicroModel(MicroEncoder("vision")), MixedBatch(), 2);
  ExpectReference(plan);
  WorkerDriver driver(plan);
  driver.Run(0);
  // 3 norms, 2 ends, 4 matrices and a projector of 2 in the encoder; 2 layers of 6 and 3 ends in the LLM.
  EXPECT_EQ(driver.Gradients().size(), 11u + 15u);
}

TEST(CpuWorker, EveryKindOfEncoderEndIsThatOfTheReference) {
  const std::vector<SampleShape> batch = {{{1}, 13, 5}, {{2}, 20, 8}};
  for (const char* projector : {"none", "linear", "mlp2"}) {
    const std::string more = std::string(R"(, "tiling": "llava-onevision", "projector": ")") + projector + '"';
    ExpectReference(OnePlan(MicroModel(MicroEncoder("vision", more)), batch, 1));
  }
  const std::string audio = R"({"name": "audio", "modality": "audio", "hidden": 16, "ffn_hidden": 24, "layers": 1,
                                "heads": 2, "projector": "linear"})";  // two tokens are averaged
  ExpectReference(OnePlan(MicroModel(audio), {{{1}, 40, 8}}, 1));
}

TEST(CpuWorker, EncodersTogetherTiedHeadsAndModelsWithoutEncoderAreThoseOfTheReference) {
  const std::string two = MicroEncoder("first") + "," + MicroEncoder("second", R"(, "tiling": "llava-onevision")");
  const std::vector<SampleShape> batch = {{{1, 2}, 13, 5}, {{2, 1}, 20, 8}, {{0, 1}, 9, 4}};
  ExpectReference(OnePlan(MicroModel(two, R"(, "tied_embeddings": true)"), batch, 2));
  ExpectReference(OnePlan(MicroModel("", R"(, "tied_embeddings": true)"), {{{}, 13, 13}, {{}, 5, 5}}, 1));
  ExpectReference(OnePlan(MicroModel(""), {{{}, 13, 13}, {{}, 5, 5}}, 2));
}

TEST(CpuWorker, WithoutTextEveryTokenBearsLoss) {
  ExpectReference(OnePlan(MicroModel(MicroEncoder("vision")), {{{2}, 8, 0}, {{1}, 3, 0}}, 1));
}

TEST(CpuWorker, WhatIsFrozenHasNoGradientAndTheRestIsUnmoved) {
  const std::string internvl = R"(, "tiling": "internvl")";
  const struct {
    std::string encoder, llm;
    std::size_t trained;
  } cases[] = {{R"(, "frozen": true)", "", 2 + 15},
               {R"(, "frozen": true, "projector_frozen": true)", "", 15},
               {R"(, "projector_frozen": true)", "", 9 + 15},
               {R"(, "frozen": true, "projector": "linear")", R"(, "frozen": true)", 1},
               {"", R"(, "frozen": true)", 11},
               {R"(, "frozen": true, "projector_frozen": true)", R"(, "frozen": true)", 0}};
  for (const auto& [encoder, llm, trained] : cases) {
    const Plan plan = OnePlan(MicroModel(MicroEncoder("vision", internvl + encoder), llm), MixedBatch(), 2);
    ExpectReference(plan);
    WorkerDriver driver(plan);
    driver.Run(0);
    EXPECT_EQ(driver.Gradients().size(), trained);
  }
}

TEST(CpuWorker, GradientsAreTheSlopesOfTheLoss) {
  // A central difference of the loss in fp32: rounding (1e-7 · loss / step) against curvature (step²).
  constexpr float kStep = 0.02F;
  const Plan plan = OnePlan(MicroModel(MicroEncoder("vision")), MixedBatch(), 5);
  WorkerDriver driver(plan);
  driver.Run(0);
  const reference::Tensors gradients = driver.Gradients();
  for (const auto& [name, gradient] : gradients) {
    float* weights = driver.Copies(name).front()->weight;
    double largest = 0;
    for (const double value : gradient) largest = std::max(largest, std::abs(value));
    for (std::size_t i = 0; i < gradient.size(); i += 1 + gradient.size() / 3) {
      const float before = weights[i];
      double loss[2];
      for (const int side : {0, 1}) {
        weights[i] = before + (side == 0 ? -kStep : kStep);
        driver.Run(0);
        loss[side] = driver.loss();
      }
      weights[i] = before;
      const double slope = (loss[1] - loss[0]) / (2 * static_cast<double>(kStep));
      EXPECT_NEAR(gradient[i], slope, 0.02 * largest + 2e-5) << name << " at " << i;
    }
  }
}

/// Weight gradients as operations of their own: all after the last backward, or each after the next operation.
void SplitBackward(Plan& plan, bool at_the_end) {
  for (DeviceOrder& order : plan.orders) {
    std::vector<ScheduledOp> split;
    std::vector<ScheduledOp> waiting;
    for (const ScheduledOp& op : order) {
      const bool backward = op.kind == OpKind::kBackward;
      split.push_back({backward ? OpKind::kBackwardInput : op.kind, op.microbatch, op.chunk});
      if (!at_the_end) {
        split.insert(split.end(), waiting.begin(), waiting.end());
        waiting.clear();
      }
      if (backward) waiting.push_back({OpKind::kBackwardWeight, op.microbatch, op.chunk});
    }
    split.insert(split.end(), waiting.begin(), waiting.end());
    order = std::move(split);
  }
}

TEST(CpuWorker, RecomputeAndSplitBackwardChangeNoGradient) {
  const ModelSpec model = MicroModel(MicroEncoder("vision"), R"(, "tied_embeddings": true)");
  const Plan plain = OnePlan(model, MixedBatch(), 2);
  WorkerDriver driver(plain);
  driver.Run(0);
  const reference::Tensors wanted = driver.Gradients();
  for (const bool recompute : {false, true}) {
    for (const int split : {0, 1, 2}) {
      Plan plan = plain;
      if (recompute) plan.software.recompute = Recompute::kFull;
      if (split > 0) SplitBackward(plan, split == 2);
      WorkerDriver other(plan);
      ASSERT_NO_FATAL_FAILURE(other.Run(0));
      ExpectEqual(other.Gradients(), wanted, 1e-6);
      EXPECT_DOUBLE_EQ(other.loss(), driver.loss());
    }
  }
}

TEST(CpuWorker, AStepPreparedAgainIsTheSameStep) {
  const Plan plan = OnePlan(MicroModel(MicroEncoder("vision")), MixedBatch(), 2);
  WorkerDriver driver(plan);
  driver.Run(0);
  const double loss = driver.loss();
  const reference::Tensors gradients = driver.Gradients();
  driver.Run(0);
  EXPECT_EQ(driver.loss(), loss);
  EXPECT_EQ(driver.Gradients(), gradients);
}

TEST(CpuWorker, ComputationsAreTimedOnTheSteadyClock) {
  const Plan plan = OnePlan(MicroModel(MicroEncoder("vision")), MixedBatch(), 5);
  const std::unique_ptr<StageWorker> worker = MakeCpuWorker(plan, 0);
  const StepProgram program = MakeStepProgram(plan, 0);
  worker->Prepare(program, 0);
  const Span forward = worker->Run(program.ranks[0].actions[0]);
  const Span optimizer = worker->StepOptimizer(0);
  EXPECT_LT(forward.start_s, forward.end_s);
  EXPECT_LE(forward.end_s, optimizer.start_s);
  EXPECT_GE(forward.lost_s, 0);
}

/// Pages that this thread has had to wait for.
long PageFaults() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt;
}

TEST(CpuWorker, ComputationsWaitForNoPages) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "this allocator never gives the same memory twice";
#endif
  // Two tiles and 228 tokens of tiny-vlm: ten thousand pages of activations.
  const Plan plan = OnePlan(BuiltInModel("tiny-vlm"), {{{2}, 228, 100}}, 1);
  const std::unique_ptr<StageWorker> worker = MakeCpuWorker(plan, 0);
  const StepProgram program = MakeStepProgram(plan, 0);
  for (const bool warm : {false, true}) {
    worker->Prepare(program, 0);
    std::vector<std::vector<float>> values(program.messages.size());
    long faults = 0;
    for (const Action& action : program.ranks[0].actions) {
      for (const int m : action.receives) worker->Unpack(program.messages[Index(m)], {std::move(values[Index(m)])});
      const long before = PageFaults();
      worker->Run(action);
      faults += PageFaults() - before;
      for (const int m : action.sends) values[Index(m)] = worker->Pack(program.messages[Index(m)]).values;
    }
    EXPECT_TRUE(!warm || faults < 20) << faults;
  }
}

TEST(CpuWorker, PlansBeyondItAreRefusedWithWhatToChange) {
  const ModelSpec model = MicroModel(MicroEncoder("vision"));
  const Plan good = OnePlan(model, MixedBatch(), 2);
  EXPECT_EQ(WhyCpuCannot(good), "");
  const auto reason = [&](const auto& change) {
    Plan plan = good;
    change(plan);
    return WhyCpuCannot(plan);
  };
  const auto expect = [](const std::string& why, const std::string& what) {
    EXPECT_NE(why.find(what), std::string::npos) << why;
  };
  expect(reason([](Plan& p) { p.software.recompute = Recompute::kSelective; }), "\"recompute\"");
  expect(reason([](Plan& p) { p.software.attention = AttentionKind::kUnfused; }), "\"flash\"");
  expect(reason([](Plan& p) { p.software.packing = Packing::kPadded; }), "\"packed\"");
  expect(reason([](Plan& p) { p.software.sharding = Sharding::kOptimizer; }), "\"distributed_optimizer\"");
  expect(reason([](Plan& p) { p.software.dropout = 0.1; }), "\"dropout\"");
  expect(reason([](Plan& p) { p.layout.stages[1].parts[0].mesh.tp = 2; }), "tp 1");
  expect(reason([](Plan& p) { p.layout.stages[0].parts[0].mesh.data_split = 2; }), "encoder_tp");
  expect(reason([](Plan& p) { p.model.llm.vocab = 2'000'000'000; }), "of memory");
}

}  // namespace
}  // namespace dflop
