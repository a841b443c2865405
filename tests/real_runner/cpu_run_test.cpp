// Real training arithmetic through the executor, its threads and messages: every layout, schedule and assignment leaves
// the gradients of one device that runs everything.
#include <gtest/gtest.h>

#include <map>
#include <mutex>

#include "real_runner/execute/cpu_worker.hpp"
#include "real_runner/execute/run_session.hpp"
#include "tests/real_runner/runner_plans.hpp"
#include "tests/real_runner/worker_driver.hpp"

namespace dflop {
namespace {

/// Gradients by the first module of their stage: all layouts here hold a module whole on one stage.
using Gradients = std::map<int, std::vector<float>>;

/// A worker that shows its reduced gradients before they are used.
class Watched final : public StageWorker {
 public:
  Watched(const Plan& plan, int rank, Gradients& gradients, std::mutex& mutex)
      : plan_(plan), worker_(MakeCpuWorker(plan, rank)), gradients_(gradients), mutex_(mutex) {}

  void Prepare(const StepProgram& program, std::size_t step) override { worker_->Prepare(program, step); }
  Span Run(const Action& action) override { return worker_->Run(action); }
  Span StepOptimizer(int stage) override {
    const std::span<float> values = worker_->CollectiveValues(Collective::What::kGradients, stage);
    const std::lock_guard lock(mutex_);
    const int module = plan_.layout.stages[Index(stage)].parts.front().module;
    const auto [entry, is_new] = gradients_.try_emplace(module, values.begin(), values.end());
    if (!is_new) {
      EXPECT_TRUE(std::equal(values.begin(), values.end(), entry->second.begin())) << "replicas differ";
    }
    return worker_->StepOptimizer(stage);
  }
  Payload Pack(const Message& message) override { return worker_->Pack(message); }
  void Unpack(const Message& message, Payload payload) override { worker_->Unpack(message, std::move(payload)); }
  std::span<float> CollectiveValues(Collective::What what, int stage) override {
    return worker_->CollectiveValues(what, stage);
  }

 private:
  const Plan& plan_;
  std::unique_ptr<StageWorker> worker_;
  Gradients& gradients_;
  std::mutex& mutex_;
};

Gradients GradientsOf(const Plan& plan) {
  Gradients gradients;
  std::mutex mutex;
  StageBackend backend = FindStageBackend("cpu", RanksOf(plan), 1);
  backend.make_worker = [&](const Plan& of, int rank) { return std::make_unique<Watched>(of, rank, gradients, mutex); };
  const SessionResult result = RunAsThreads({plan}, backend, {});
  EXPECT_EQ(result.failure, "") << plan.layout.name;

  return gradients;
}

double NormOf(const std::vector<float>& values) {
  double squares = 0;
  for (const float value : values) squares += static_cast<double>(value) * value;
  return std::sqrt(squares);
}

TEST(CpuRun, EveryLayoutLeavesTheGradientsOfOneDevice) {
  const ModelSpec model = MicroModel(MicroEncoder("eye"));
  const ClusterSpec cluster = A100Nodes(1);
  const CostModel cost(model, cluster, BuiltInKernelCosts(cluster.only_node().gpu), {});
  const std::vector<SampleShape> batch = {{{3}, 20, 8}, {{1}, 9, 5},  {{5}, 31, 11}, {{2}, 12, 4},
                                          {{1}, 7, 7},  {{4}, 22, 6}, {{2}, 15, 9},  {{1}, 6, 2}};
  const auto recipe = [&](Layout layout, const char* pipeline, const char* batching) {
    PlanRecipe made{std::move(layout), pipeline, batching};
    made.batch = batch;
    return MakePlan(cost, made);
  };
  const Gradients wanted = GradientsOf(recipe(Homogeneous({1, 1, 1, 0, 1}, model), "1f1b", "in-order"));
  ASSERT_EQ(wanted.size(), 2u);
  const auto hub = Communicator::kHub;
  const std::vector<Plan> plans = {
      recipe(Homogeneous({1, 1, 2, 0, 2}, model), "1f1b", "random"),
      recipe(Homogeneous({1, 1, 2, 0, 2}, model), "1f1b", "orchmllm"),
      recipe(Homogeneous({1, 2, 1, 1, 4}, model), "1f1b", "lpt-2d"),
      recipe(Homogeneous({1, 2, 2, 1, 2}, model), "gpipe", "dflop"),
      recipe(Separate({1, 1, 2}, {1, 1, 1}, 4, hub, model), "1f1b", "random"),
      recipe(Separate({1, 1, 1}, {1, 1, 3}, 2, Communicator::kDirect, model), "1f1b", "dflop"),
      recipe(Separate({1, 1, 3}, {1, 1, 2}, 2, hub, model), "gpipe", "random"),
  };
  for (const Plan& plan : plans) {
    const Gradients found = GradientsOf(plan);
    for (const auto& [module, gradient] : wanted) {
      std::vector<float> difference = found.at(module);
      ASSERT_EQ(difference.size(), gradient.size());
      for (std::size_t i = 0; i < gradient.size(); ++i) difference[i] -= gradient[i];
      EXPECT_LE(NormOf(difference), 1e-4 * NormOf(gradient)) << plan.layout.name << ", module " << module;
    }
  }
}

}  // namespace
}  // namespace dflop
