// Operations per second of the engines, on replicas of a GPipe pipeline with a message at every stage boundary.
//
//   cmake --preset release -DDFLOP_BENCHMARKS=ON && cmake --build build/release --target engine_benchmark
//   build/release/bin/engine_benchmark
#include <benchmark/benchmark.h>

#include "models/cluster_spec.hpp"
#include "sim/engine/engine.hpp"
#include "tests/sim/graph_builder.hpp"

namespace dflop {
namespace {

ClusterSpec LargeCluster() {
  ClusterSpec cluster = SmallCluster(4096);
  cluster.only_node().intra_bandwidth = BytesPerSecond(300e9);
  cluster.only_node().nic_bandwidth = BytesPerSecond(25e9);
  return cluster;
}

/// One microbatch through all stages of a replica and back when `backward`; stage s runs on GPU and queue first + s.
void AddPass(GraphBuilder& builder, int first, int stages, int microbatch, bool backward) {
  const double seconds = (backward ? 2e-2 : 1e-2) * (1 + 0.1 * (microbatch % 7));
  const int step = backward ? -1 : 1;
  int gpu = backward ? first + stages - 1 : first;
  int last = builder.Compute(gpu, seconds);
  for (int i = 1; i < stages; ++i, gpu += step) {
    const int message = builder.Send({gpu, gpu + step, Bytes(64e6)}, 1e-5, {last});
    last = builder.Compute(gpu + step, seconds, {message});
  }
}

OperationGraph Pipelines(int replicas, int stages, int microbatches) {
  GraphBuilder builder(LargeCluster(), replicas * stages);
  for (int replica = 0; replica < replicas; ++replica) {
    for (const bool backward : {false, true}) {
      for (int m = 0; m < microbatches; ++m) AddPass(builder, replica * stages, stages, m, backward);
    }
  }
  return builder.graph();
}

void RunEngine(benchmark::State& state, const std::string& name) {
  const OperationGraph graph =
      Pipelines(static_cast<int>(state.range(0)), static_cast<int>(state.range(1)), static_cast<int>(state.range(2)));
  const auto engine = MakeEngine(name, LargeCluster());
  for (auto _ : state) benchmark::DoNotOptimize(engine->Run(graph).makespan);
  const auto operations = static_cast<std::int64_t>(graph.operations.size());
  state.counters["operations"] = static_cast<double>(operations);
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * operations);
}

void Replay(benchmark::State& state) { RunEngine(state, "replay"); }
void SimGrid(benchmark::State& state) { RunEngine(state, "simgrid"); }

/// Replicas, stages, microbatches: about 2,000, 127,000 and 508,000 operations. Real time: simgrid works in a child.
void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({4, 4, 36})->Args({32, 16, 64})->Args({128, 16, 64});
  benchmark->Unit(benchmark::kMillisecond)->UseRealTime();
}
BENCHMARK(Replay)->Apply(Sizes);
BENCHMARK(SimGrid)->Apply(Sizes);

}  // namespace
}  // namespace dflop
