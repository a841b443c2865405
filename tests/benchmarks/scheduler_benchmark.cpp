// How long the batch schedulers take, on the batches that results/scheduler/README.md judges their quality on.
//   scheduler_benchmark --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
// "gap" is the largest bucket over its lower bound, − 1. Encoder bounded per bucket, additive costs.
#include <benchmark/benchmark.h>

#include <map>

#include "policies/api/registry.hpp"
#include "tests/policies/scheduler_instances.hpp"

namespace dflop {
namespace {

constexpr const char* kDflop = R"({"name": "dflop", "encoder_bound": "bucket", "costs": "additive"})";
constexpr const char* kLpt = R"({"name": "lpt-2d"})";

BatchProblem Problem(const std::string& model, const benchmark::State& state, int seed) {
  static std::map<std::string, SchedulerInstances> instances;
  return instances.try_emplace(model, model)
      .first->second.Make(static_cast<int>(state.range(0)), static_cast<int>(state.range(1)), seed);
}

/// Walks through five batches, so that no lucky one decides.
void Run(benchmark::State& state, const std::string& model, const char* spec) {
  constexpr int kBatches = 5;
  const Json json = ParseJson(spec, "benchmark");
  const auto batcher = Registry<BatchScheduler>::Instance().Make(JsonReader(json, "benchmark"));
  std::vector<BatchProblem> problems;
  double gap = 0;
  RandomStream random(1, "unused");
  for (int seed = 1; seed <= kBatches; ++seed) {
    problems.push_back(Problem(model, state, seed));
    const BatchProblem& problem = problems.back();
    gap += LargestBucket(problem, batcher->Schedule(problem, random)) / BucketLowerBound(problem) - 1;
  }
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(batcher->Schedule(problems[next++ % problems.size()], random));
  }
  state.counters["gap"] = gap / kBatches;
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({64, 16})->Args({512, 64})->Args({2048, 256})->Args({8192, 1024})->Args({32768, 4096});
  benchmark->Args({65536, 4096})->Unit(benchmark::kMillisecond);
}
BENCHMARK_CAPTURE(Run, dflop_llama3_8b, "llama3-8b", kDflop)->Apply(Sizes);
BENCHMARK_CAPTURE(Run, dflop_qwen2_5_32b, "qwen2.5-32b", kDflop)->Apply(Sizes);
BENCHMARK_CAPTURE(Run, lpt_llama3_8b, "llama3-8b", kLpt)->Apply(Sizes);

}  // namespace
}  // namespace dflop
