// The paper's layout search (arXiv 2603.25120, Fig 16a) on 8…1,024 A100, global batch 256.
//
//   cmake --preset release -DDFLOP_BENCHMARKS=ON && cmake --build build/release --target layout_search_benchmark
//   build/release/bin/layout_search_benchmark
//
// Search: profile the model, enumerate, find the winner, from 10,000 planning samples. PlainLoop: the same with the
// loops of Algorithm 1 as printed. Plan: the whole plug-in on 256 planning samples, with twenty candidates checked for
// memory at the true peak, which the paper does not do. `degrees` are choices of TP × PP × DP for both sides,
// `evaluations` microbatch counts worked out for one of them.
#include <benchmark/benchmark.h>

#include "base/index.hpp"
#include "policies/api/registry.hpp"
#include "policies/layout_search/means_search.hpp"
#include "traces/samples.hpp"

namespace dflop {
namespace {

template <typename Interface>
std::unique_ptr<Interface> Plugin(const char* name) {
  const Json json(name);
  return Registry<Interface>::Instance().Make(JsonReader(json, "plug-in"));
}

ClusterSpec A100(int nodes) {
  Json json;
  json["name"] = "hgx-a100-800g";
  json["nodes"] = nodes;
  return ReadCluster(JsonReader(json, "cluster"));
}

std::vector<SampleShape> Samples(const ModelSpec& model, int count) {
  const Json name("dflop-mix");
  const auto source = ReadSampleSource(JsonReader(name, "samples"));
  RandomStream random(1, "benchmark");
  std::vector<SampleShape> samples;
  samples.reserve(Index(count));
  for (int i = 0; i < count; ++i) samples.push_back(ShapeOf(source->Draw(random), model));
  return samples;
}

struct Job {
  CostModel cost;
  std::vector<SampleShape> samples;
  std::unique_ptr<BatchScheduler> batcher = Plugin<BatchScheduler>("lpt-2d");
  std::unique_ptr<PipelineSchedule> schedule = Plugin<PipelineSchedule>("1f1b");

  Job(const benchmark::State& state, int planning_samples)
      : cost(MakeCost(static_cast<int>(state.range(0)), static_cast<int>(state.range(1)))),
        samples(Samples(cost.model(), planning_samples)) {}
  PlanningProblem problem() { return {cost, 256, samples, *batcher, *schedule, 1}; }

 private:
  static CostModel MakeCost(int gpus, int billions) {
    const ClusterSpec cluster = A100(gpus / 8);
    SoftwareStack software;
    software.recompute = Recompute::kFull;
    return {BuiltInModel(billions == 8 ? "llava-ov-siglip-2.4b-llama3-8b" : "llava-ov-siglip-2.4b-qwen2.5-32b"),
            cluster, BuiltInKernelCosts(cluster.only_node().gpu), software};
  }
};

void Report(benchmark::State& state, std::size_t degrees, std::size_t evaluations) {
  state.counters["degrees"] = static_cast<double>(degrees);
  state.counters["evaluations"] = static_cast<double>(evaluations);
}

void Search(benchmark::State& state) {
  Job job(state, 10'000);
  const PlanningProblem problem = job.problem();
  for (auto _ : state) {
    MeansFormula formula(problem);
    MeansSearch search(formula, SeparatePairs(problem));
    benchmark::DoNotOptimize(search.Next());
    Report(state, search.pairs(), search.evaluated());
  }
}

void PlainLoop(benchmark::State& state) {
  Job job(state, 10'000);
  const PlanningProblem problem = job.problem();
  for (auto _ : state) {
    MeansFormula formula(problem);
    const std::vector<SeparatePair> pairs = SeparatePairs(problem);
    Seconds best{1e300};
    std::size_t evaluations = 0;
    for (const SeparatePair& pair : pairs) {
      for (int i = 1; i <= problem.global_batch_size / pair.llm.dp; ++i, ++evaluations) {
        best = std::min(best, formula.StepTime(pair, i).value_or(best));
      }
    }
    benchmark::DoNotOptimize(best);
    Report(state, pairs.size(), evaluations);
  }
}

void Plan(benchmark::State& state) {
  Job job(state, 256);
  const PlanningProblem problem = job.problem();
  const auto planner = Plugin<LayoutPlanner>("dflop");
  for (auto _ : state) benchmark::DoNotOptimize(planner->Plan(problem).predicted);
}

/// GPUs, billions of parameters of the LLM.
void Sizes(benchmark::internal::Benchmark* benchmark) {
  for (const int billions : {8, 32}) {
    for (int gpus = 8; gpus <= 1024; gpus *= 2) {
      if (billions == 32 && gpus < 32) continue;  // nothing fits
      benchmark->Args({gpus, billions});
    }
  }
  benchmark->ArgNames({"gpus", "llm"})->Unit(benchmark::kMillisecond);
}
BENCHMARK(Search)->Apply(Sizes);
BENCHMARK(PlainLoop)->Apply(Sizes);
BENCHMARK(Plan)->Apply(Sizes);

}  // namespace
}  // namespace dflop
