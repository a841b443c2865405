// How long pipeline schedules take to order one step: rules, Zero Bubble's heuristic, list scheduling.
//   pipeline_benchmark --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
// "over_bound" is the makespan over the busiest device's work, − 1. Microbatches of log-normal cost, sigma 0.6.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>

#include "base/json.hpp"
#include "base/random.hpp"
#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"
#include "policies/api/timed_orders.hpp"

namespace dflop {
namespace {

ScheduleProblem Skewed(int devices, int microbatches) {
  constexpr double kSigma = 0.6;
  RandomStream random(1, "pipeline benchmark");
  ScheduleProblem problem{devices, microbatches, 1, InTurn(devices, 1)};
  std::vector<StageTimes> stage;
  for (int k = 0; k < microbatches; ++k) {
    const Seconds part(std::exp(kSigma * random.Normal()));
    stage.push_back({part, part, part});
  }
  problem.times.assign(Index(devices), stage);
  problem.transfers.assign(Index(devices - 1), std::vector<Seconds>(Index(microbatches), Seconds(0.01)));
  return problem;
}

double WorkOf(const ScheduleProblem& problem) {
  Seconds work{0};
  for (const StageTimes& times : problem.times.front()) work += times.forward + times.backward();
  return work.value();
}

void Order(benchmark::State& state, const char* spec) {
  const Json json = ParseJson(spec, "benchmark");
  const auto schedule = Registry<PipelineSchedule>::Instance().Make(JsonReader(json, "benchmark"));
  const ScheduleProblem problem = Skewed(static_cast<int>(state.range(0)), static_cast<int>(state.range(1)));
  std::vector<DeviceOrder> orders;
  for (auto _ : state) {
    orders = schedule->Orders(problem);
    benchmark::DoNotOptimize(orders.data());
  }
  state.counters["over_bound"] = RunOrders(orders, problem).makespan.value() / WorkOf(problem) - 1;
}

void Depths(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({4, 64})->Args({16, 128})->Args({64, 1024})->Unit(benchmark::kMillisecond);
}
BENCHMARK_CAPTURE(Order, one_f_one_b, R"("1f1b")")->Apply(Depths);
BENCHMARK_CAPTURE(Order, zb_h1, R"("zb-h1")")->Apply(Depths);
BENCHMARK_CAPTURE(Order, zb_h2, R"("zb-h2")")->Apply(Depths);
BENCHMARK_CAPTURE(Order, zb_auto, R"("zb-auto")")->Apply(Depths);
BENCHMARK_CAPTURE(Order, list, R"("list")")->Apply(Depths);
BENCHMARK_CAPTURE(Order, list_split, R"({"name": "list", "split": true})")->Apply(Depths);
BENCHMARK_CAPTURE(Order, best, R"("best")")->Apply(Depths);

}  // namespace
}  // namespace dflop
