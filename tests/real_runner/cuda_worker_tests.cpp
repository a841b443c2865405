// Errors are of whole tensors: |found − wanted| over |wanted|, Euclidean. Weights are the same bf16 in both;
// activations and their gradients are rounded to bf16 a few dozen times on the way through a model of three layers,
// each rounding an independent 2⁻⁹ of a value, so that 3 % is much and 10 % is a mistake.
#include "tests/real_runner/cuda_worker_tests.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/index.hpp"
#include "real_runner/execute/run_session.hpp"
#include "real_runner/execute/stage_worker_factory.hpp"
#include "tests/real_runner/model_reference.hpp"
#include "tests/real_runner/runner_plans.hpp"

namespace dflop {
namespace {

constexpr double kGradients = 0.1;
constexpr double kLoss = 0.01;

/// What all ranks found in the last step.
struct Found {
  std::mutex mutex;
  reference::Tensors weights;  ///< before the optimizer's step
  reference::Tensors gradients;
  double loss = 0;
  double copies = 0;  ///< largest difference between replicas of a gradient
};

/// Shows its tensors between the sum of the gradients and the optimizer's step.
class Watched final : public StageWorker {
 public:
  Watched(StageWorkerFactory& factory, const Plan& plan, int rank, Found& found)
      : factory_(factory), worker_(factory.Make(plan, rank)), found_(found) {}

  void Prepare(const StepProgram& program, std::size_t step) override {
    worker_->Prepare(program, step);
    told_ = false;
  }
  Span Run(const Action& action) override { return worker_->Run(action); }
  Span StepOptimizer(int stage) override {
    Show(stage);
    return worker_->StepOptimizer(stage);
  }
  Payload Pack(const Message& message) override { return worker_->Pack(message); }
  void Unpack(const Message& message, Payload payload) override { worker_->Unpack(message, std::move(payload)); }
  std::span<float> CollectiveValues(Collective::What what, int stage) override {
    return worker_->CollectiveValues(what, stage);
  }
  bool ReducesItself() const override { return worker_->ReducesItself(); }
  CollectiveSpan Reduce(const StepProgram& program, std::size_t index, double ready_s, Transport& transport) override {
    return worker_->Reduce(program, index, ready_s, transport);
  }

 private:
  void Show(int stage) {
    const std::vector<HostTensor> weights = factory_.Weights(*worker_, stage);
    const std::vector<HostTensor> gradients = factory_.Gradients(*worker_, stage);
    const double loss = std::exchange(told_, true) ? 0 : factory_.Loss(*worker_);
    const std::lock_guard lock(found_.mutex);
    found_.loss += loss;
    for (const HostTensor& tensor : weights) {
      found_.weights.try_emplace(tensor.name, tensor.values.begin(), tensor.values.end());
    }
    for (const HostTensor& tensor : gradients) {
      const auto [place, is_new] =
          found_.gradients.try_emplace(tensor.name, tensor.values.begin(), tensor.values.end());
      for (std::size_t i = 0; !is_new && i < tensor.values.size(); ++i) {
        found_.copies = std::max(found_.copies, std::abs(place->second[i] - static_cast<double>(tensor.values[i])));
      }
    }
  }

  StageWorkerFactory& factory_;
  std::unique_ptr<StageWorker> worker_;
  Found& found_;
  bool told_ = false;
};

double Norm(const reference::Values& values) {
  double squares = 0;
  for (const double value : values) squares += value * value;
  return std::sqrt(squares);
}

double Error(const reference::Values& found, const reference::Values& wanted) {
  if (found.size() != wanted.size()) return HUGE_VAL;
  reference::Values difference = wanted;
  for (std::size_t i = 0; i < wanted.size(); ++i) difference[i] -= found[i];
  const double error = Norm(difference) / std::max(Norm(wanted), 1e-30);
  return std::isfinite(error) ? error : HUGE_VAL;
}

class WorkerTests {
 public:
  WorkerTests() {
    std::printf("%-60s %9s %9s %9s  %s\n", "stage workers", "loss", "gradients", "replicas", "largest error in");
  }

  void Check(const std::string& name, const Plan& plan) {
    try {
      Report(name, plan);
    } catch (const std::exception& failure) {
      std::printf("%-60s FAILED: %s\n", name.c_str(), failure.what());
      ++tally_.failed;
    }
    std::fflush(stdout);
  }
  const TestTally& tally() const { return tally_; }

 private:
  void Report(const std::string& name, const Plan& plan) {
    const auto factory = MakeCudaStageWorkers(RanksOf(plan));
    if (const std::string why = factory->WhyNot(plan); !why.empty()) throw RunError(why);
    Found found;
    StageBackend backend;
    backend.name = "cuda";
    backend.make_worker = [&](const Plan& of, int rank) {
      return std::make_unique<Watched>(*factory, of, rank, found);
    };
    backend.links = [](const Plan&, std::size_t, const StepProgram& program) { return RealLinks(program); };
    const SessionResult result = RunAsThreads({plan}, backend, {});
    if (!result.failure.empty()) throw RunError(result.failure);

    const reference::StepResult wanted = reference::RunStep(plan, 0, found.weights);
    const double loss = std::abs(found.loss - wanted.loss) / wanted.loss;
    double worst = 0;
    std::string where = "nothing trains";
    for (const auto& [tensor, gradient] : found.gradients) {
      const double error = Error(gradient, wanted.gradients.at(tensor));
      if (!(error <= worst)) worst = error, where = tensor;
    }
    const bool passed = loss <= kLoss && worst <= kGradients && found.copies == 0 && !found.gradients.empty();
    std::printf("%-60s %9.2e %9.2e %9.2e  %s%s\n", name.c_str(), loss, worst, found.copies, where.c_str(),
                passed ? "" : "  FAILED");
    ++(passed ? tally_.passed : tally_.failed);
  }

  TestTally tally_;
};

/// Hidden width 128, heads of 64; tiles of 16 patches, four of which become one token.
ModelSpec SmallModel(const std::string& encoders, const std::string& llm = "") {
  const Json json =
      ParseJson(R"({"name": "small", "encoders": [)" + encoders +
                    R"(], "llm": {"hidden": 128, "ffn_hidden": 192, "layers": 2, "heads": 2, "kv_heads": 1, "vocab": 96,
                                  "gated_ffn": true)" +
                    llm + "}}",
                "small");
  return ReadModel(JsonReader(json, "small"));
}

std::string Encoder(const std::string& name, const std::string& more = R"(, "tiling": "internvl")") {
  return R"({"name": ")" + name + R"(", "modality": "image", "hidden": 128, "ffn_hidden": 160, "layers": 1, "heads": 2,
             "patch_px": 4, "tile_px": 16)" +
         more + "}";
}

std::vector<SampleShape> Batch() {
  return {{{3}, 20, 8}, {{1}, 9, 5}, {{5}, 31, 11}, {{2}, 12, 4}, {{1}, 7, 7}, {{4}, 22, 6}, {{2}, 15, 9}, {{1}, 6, 2}};
}

Plan PlanOf(const ModelSpec& model, Layout layout, std::vector<SampleShape> batch, const char* pipeline = "1f1b",
            const char* batching = "in-order") {
  const ClusterSpec cluster = A100Nodes(1);
  PlanRecipe recipe{std::move(layout), pipeline, batching};
  recipe.batch = std::move(batch);
  return MakePlan(CostModel(model, cluster, BuiltInKernelCosts(cluster.only_node().gpu), {}), recipe);
}

void OneRank(WorkerTests& tests) {
  const auto one = [](const ModelSpec& model, int microbatches) {
    return Homogeneous({1, 1, 1, 0, microbatches}, model);
  };
  const ModelSpec text = SmallModel("");
  tests.Check("text, sequences of one length", PlanOf(text, one(text, 1), {{{}, 32, 32}, {{}, 32, 32}}));
  tests.Check("text, unequal sequences", PlanOf(text, one(text, 2), {{{}, 40, 40}, {{}, 7, 7}, {{}, 19, 19}}));
  const ModelSpec vlm = SmallModel(Encoder("eye"));
  tests.Check("images, tokens joined, projector of two layers", PlanOf(vlm, one(vlm, 2), Batch()));
  const ModelSpec plain = SmallModel(Encoder("eye", R"(, "tiling": "llava-onevision", "projector": "linear")"));
  tests.Check("images, tokens pooled before the LLM", PlanOf(plain, one(plain, 2), Batch()));
  const ModelSpec audio = SmallModel(R"({"name": "ear", "modality": "audio", "hidden": 128, "ffn_hidden": 160,
                                         "layers": 1, "heads": 2, "projector": "linear"})");
  tests.Check("audio, tokens averaged", PlanOf(audio, one(audio, 1), {{{1}, 40, 8}}));
  const ModelSpec frozen = SmallModel(Encoder("eye", R"(, "tiling": "internvl", "frozen": true)"));
  tests.Check("images, encoder frozen", PlanOf(frozen, one(frozen, 2), Batch()));
  Plan again = PlanOf(vlm, one(vlm, 2), Batch());
  again.software.recompute = Recompute::kFull;
  tests.Check("images, recomputed", again);
}

void SeveralRanks(WorkerTests& tests, int ranks) {
  const ModelSpec model = SmallModel(Encoder("eye"));
  const auto check = [&](Layout layout, const char* pipeline, const char* batching) {
    if (static_cast<int>(layout.groups.size()) != ranks) return;
    const std::string name = std::to_string(ranks) + " ranks: " + layout.name + ", " + pipeline + ", " + batching;
    tests.Check(name, PlanOf(model, std::move(layout), Batch(), pipeline, batching));
  };
  check(Homogeneous({1, 1, ranks, 0, 1}, model), "1f1b", "random");
  check(Homogeneous({1, 1, 2, 0, 2}, model), "1f1b", "random");
  check(Homogeneous({1, 1, 2, 0, 2}, model), "1f1b", "orchmllm");
  check(Homogeneous({1, 2, 1, 1, 4}, model), "1f1b", "lpt-2d");
  check(Separate({1, 1, 1}, {1, 1, 1}, 4, Communicator::kHub, model), "1f1b", "random");
  check(Separate({1, 1, 1}, {1, 1, 1}, 4, Communicator::kDirect, model), "gpipe", "random");
  check(Homogeneous({1, 2, 2, 1, 2}, model), "gpipe", "random");
  check(Separate({1, 1, 2}, {1, 1, 2}, 2, Communicator::kHub, model), "1f1b", "random");
  check(Separate({1, 1, 1}, {1, 1, 3}, 2, Communicator::kDirect, model), "1f1b", "random");
}

}  // namespace

TestTally TestCudaWorkers(int gpus) {
  WorkerTests tests;
  OneRank(tests);
  constexpr int kMost = 8;  // samples of the batch, GPUs of the layouts' node
  for (const int ranks : std::set<int>{2, 4, std::clamp(gpus, 2, kMost)}) {
    if (gpus > 1 && ranks > gpus) {
      std::printf("%d ranks skipped: %d GPUs\n", ranks, gpus);
    } else {
      SeveralRanks(tests, ranks);
    }
  }
  return tests.tally();
}

}  // namespace dflop
