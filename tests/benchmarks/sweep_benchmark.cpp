// What one step costs in steady state, in operations a second, on 16 stages × 64 replicas × 64 microbatches, every
// sample with a length of its own:
//
//   BareSweep      a longest path over the arrays that a replay sweeps, and nothing else
//   ReplaySweep    the ends alone, as searches and nested replays ask for them
//   ReplayAndTell  starts and ends, busy time, memory peak and what the end waited for
//   NextStep       work, prices, the graph brought up to date, starts and ends
//
// Operations are computations and messages. Ratios within one run count: the machine's pace does not.
#include <benchmark/benchmark.h>

#include <algorithm>

#include "base/index.hpp"
#include "sim/engine/replay.hpp"
#include "sim/measure/drawn_devices.hpp"
#include "sim/measure/metrics.hpp"
#include "tests/benchmarks/large_step.hpp"

namespace dflop {
namespace {

LargeStep& Shared() {
  static LargeStep setting;
  return setting;
}

void CountOperations(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(Shared().step.graph.operations.size()));
}

void BareSweep(benchmark::State& state) {
  const Step& step = Shared().step;
  const OperationGraph& graph = step.graph;
  std::vector<double> durations;
  for (const Seconds duration : graph.durations) durations.push_back(duration.value());
  std::vector<double> ends(durations.size());
  for (auto _ : state) {
    double makespan = 0;
    for (const std::int32_t operation : step.order->operations()) {
      const std::size_t i = Index(operation);
      const std::int32_t before = step.order->Before(i);
      double start = before < 0 ? 0 : ends[Index(before)];
      for (auto d = graph.dependency_begin[i]; d < graph.dependency_begin[i + 1]; ++d) {
        const double needed = ends[Index(graph.dependencies[Index(d)])];  // a copy: the maximum stays in a register
        start = std::max(start, needed);
      }
      const double end = start + durations[i];
      ends[i] = end;
      makespan = std::max(makespan, end);
    }
    benchmark::DoNotOptimize(makespan);
  }
  CountOperations(state);
}

void ReplaySweep(benchmark::State& state) {
  const Step& step = Shared().step;
  std::vector<Seconds> ends;
  for (auto _ : state) {
    benchmark::DoNotOptimize(ReplayEnds(step.graph, *step.order, step.graph.durations, {}, ends));
  }
  CountOperations(state);
}

void ReplayAndTell(benchmark::State& state) {
  LargeStep& setting = Shared();
  for (auto _ : state) {
    setting.step.times = Replay(setting.step.graph, *setting.step.order, {}, std::move(setting.step.times));
    benchmark::DoNotOptimize(BusyDeviceSeconds(setting.step.graph, setting.step.times, setting.layout));
    benchmark::DoNotOptimize(PeakMemory(setting.job(), setting.step.work).peak);
    benchmark::DoNotOptimize(WaitedFor(setting.step.graph, *setting.step.order, setting.step.times).size());
  }
  CountOperations(state);
}

void NextStep(benchmark::State& state) {
  LargeStep& setting = Shared();
  for (auto _ : state) {
    setting.step =
        SimulateStep(setting.job(), setting.plan, setting.batch, *setting.replay, {}, std::move(setting.step));
    benchmark::DoNotOptimize(setting.step.times.makespan);
  }
  CountOperations(state);
}

BENCHMARK(BareSweep)->Unit(benchmark::kMillisecond);
BENCHMARK(ReplaySweep)->Unit(benchmark::kMillisecond);
BENCHMARK(ReplayAndTell)->Unit(benchmark::kMillisecond);
BENCHMARK(NextStep)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace dflop
