// How long expected-makespan and uniform-tuned search, with how many layouts and simulations:
//   planner_benchmark --benchmark_min_time=0.01
// LLaVA-OneVision with Llama-3 8B and Qwen2.5-32B on HGX A100 nodes, 4 samples a GPU; batches by `dflop`,
// for uniform-tuned also at random.
#include <benchmark/benchmark.h>

#include "policies/api/registry.hpp"
#include "tests/policies/planner_jobs.hpp"

namespace dflop {
namespace {

void Search(benchmark::State& state, const std::string& model, const std::string& planner,
            const std::string& batcher = "dflop") {
  const int nodes = static_cast<int>(state.range(0)) / 8;
  const PlannerJob job(model, "hgx-a100-800g", nodes, "dflop-mix", 32 * nodes, batcher);
  LayoutDecision decision;
  for (auto _ : state) decision = job.Plan(planner);
  state.SetLabel(decision.layout.name + "; " + decision.reason.substr(decision.reason.rfind(';') + 2));
}
void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(64)->Arg(1024)->Arg(8192)->Unit(benchmark::kMillisecond)->Iterations(1);
}
constexpr const char* kSmall = "llava-ov-siglip-2.4b-llama3-8b";
constexpr const char* kLarge = "llava-ov-siglip-2.4b-qwen2.5-32b";
BENCHMARK_CAPTURE(Search, llama3_8b, kSmall, "expected-makespan")->Apply(Sizes);
BENCHMARK_CAPTURE(Search, qwen2_5_32b, kLarge, "expected-makespan")->Apply(Sizes);
BENCHMARK_CAPTURE(Search, llama3_8b_uniform, kSmall, "uniform-tuned")->Apply(Sizes);
BENCHMARK_CAPTURE(Search, qwen2_5_32b_uniform, kLarge, "uniform-tuned")->Apply(Sizes);
BENCHMARK_CAPTURE(Search, llama3_8b_uniform_random, kSmall, "uniform-tuned", "random")->Apply(Sizes);
BENCHMARK_CAPTURE(Search, qwen2_5_32b_uniform_random, kLarge, "uniform-tuned", "random")->Apply(Sizes);

}  // namespace
}  // namespace dflop
