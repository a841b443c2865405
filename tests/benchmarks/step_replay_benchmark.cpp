// Evaluations per second of the search for a faster order and assignment, beside the simulation of a whole step.
//
//   cmake --preset release -DDFLOP_BENCHMARKS=ON && cmake --build build/release --target step_replay_benchmark
//   build/release/bin/step_replay_benchmark
#include <benchmark/benchmark.h>

#include "models/remembered_kernel_costs.hpp"
#include "sim/step/step_replay.hpp"
#include "tests/sim/plan_support.hpp"
#include "traces/samples.hpp"

namespace dflop {
namespace {

/// A scenario of the quickstart under a plan that `dflop` or the exhaustive search over uniform plans makes for it.
struct Setting {
  CostModel cost;
  Layout layout;
  std::vector<DeviceOrder> orders;
  std::vector<SampleShape> batch;
  Buckets buckets;
  std::unique_ptr<Engine> engine = MakeReplayEngine();

  template <typename Degrees>
  Setting(const std::string& model, const Degrees& degrees)
      : cost(BuiltInModel(model), A100Nodes(4),
             std::make_shared<RememberedKernelCosts>(BuiltInKernelCosts(A100Nodes(4).only_node().gpu)),
             {.recompute = Recompute::kFull}),
        layout(BuildLayout(degrees, cost.model(), cost.cluster())),
        orders(OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout)) {
    static const Json kMix("dflop-mix");
    const auto samples = ReadSampleSource(JsonReader(kMix, "samples"));
    RandomStream random(1, "benchmark");
    for (int i = 0; i < 256; ++i) batch.push_back(ShapeOf(samples->Draw(random), cost.model()));
    buckets = Plugin<BatchScheduler>("lpt-2d")->Schedule(MakeBatchProblem(cost, layout, batch), random).buckets;
  }
  StepReplay Replay() const { return {cost, layout, orders, batch, buckets}; }
};

Setting MakeSetting(std::int64_t number) {
  const std::string llama = "llava-ov-siglip-2.4b-llama3-8b";
  const std::string qwen = "llava-ov-siglip-2.4b-qwen2.5-32b";
  switch (number) {
    case 0:
      return {llama, SeparateDegrees{{{1, 1, 12}}, {1, 4, 5}, 39, Communicator::kHub}};
    case 1:
      return {qwen, SeparateDegrees{{{1, 1, 4}}, {2, 7, 2}, 128, Communicator::kHub}};
    default:
      return {qwen, HomogeneousDegrees{.tp = 2, .pp = 16, .dp = 1, .encoder_stages = 3, .microbatches = 96}};
  }
}

void Label(benchmark::State& state, const Setting& setting) {
  state.SetLabel(setting.layout.name);
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

void WholeStep(benchmark::State& state) {
  const Setting setting = MakeSetting(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        SimulateStep({setting.cost, setting.layout, setting.orders}, {setting.buckets}, setting.batch, *setting.engine)
            .times.makespan);
  }
  Label(state, setting);
}

/// Two columns of the first replica change places, and back.
void Reorder(benchmark::State& state) {
  const Setting setting = MakeSetting(state.range(0));
  StepReplay replay = setting.Replay();
  RandomStream random(1, "moves");
  const auto microbatches = static_cast<std::uint64_t>(setting.layout.microbatches);
  for (auto _ : state) {
    const int a = static_cast<int>(random.Below(microbatches));
    const int b = static_cast<int>(random.Below(microbatches));
    benchmark::DoNotOptimize(replay.Apply({{a, replay.At(b)}, {b, replay.At(a)}}));
    replay.Undo();
  }
  Label(state, setting);
}

/// Two columns of the first replica are priced as if their contents were new, and change places.
void Reassign(benchmark::State& state) {
  const Setting setting = MakeSetting(state.range(0));
  StepReplay replay = setting.Replay();
  RandomStream random(1, "moves");
  const auto microbatches = static_cast<std::uint64_t>(setting.layout.microbatches);
  for (auto _ : state) {
    const int a = static_cast<int>(random.Below(microbatches));
    const int b = static_cast<int>(random.Below(microbatches));
    benchmark::DoNotOptimize(
        replay.Apply({{a, replay.Price(0, replay.At(b)->buckets)}, {b, replay.Price(0, replay.At(a)->buckets)}}));
    replay.Undo();
  }
  Label(state, setting);
}

BENCHMARK(WholeStep)->DenseRange(0, 2)->Unit(benchmark::kMicrosecond);
BENCHMARK(Reorder)->DenseRange(0, 2)->Unit(benchmark::kMicrosecond);
BENCHMARK(Reassign)->DenseRange(0, 2)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace dflop
