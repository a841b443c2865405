// The CPU backend's GEMMs beside a bare OpenBLAS loop on the same shapes: compare FLOP/s of Backend/… and Bare/….
// Both walk through sets of matrices larger than the cache. Run it on a quiet machine:
//   gemm_rate_benchmark --benchmark_repetitions=5 --benchmark_enable_random_interleaving=true
#include <benchmark/benchmark.h>
#include <cblas.h>

#include <memory>
#include <vector>

#include "real_runner/kernels/backend.hpp"
#include "real_runner/kernels/row_shapes.hpp"

namespace dflop {
namespace {

using Counter = benchmark::Counter;

void SetRate(benchmark::State& state) {
  const double flops = 2.0 * static_cast<double>(state.range(0) * state.range(1) * state.range(2));
  state.counters["FLOP/s"] = Counter(flops, Counter::kIsIterationInvariantRate);
}

void BackendGemm(benchmark::State& state) {
  const std::unique_ptr<Backend> backend = MakeCpuBackend();
  const auto size = [&](std::size_t i) { return static_cast<double>(state.range(i)); };
  const std::unique_ptr<PreparedKernel> kernel =
      backend->Prepare(GemmRow(size(0), size(1), size(2), "forward", "fp32"));
  for (auto step : state) backend->Time(*kernel, 1);
  SetRate(state);
}

void BareGemm(benchmark::State& state) {
  constexpr std::size_t kBeyondCache = 48UL * 1024 * 1024 / sizeof(float);
  openblas_set_num_threads(1);
  const auto m = static_cast<blasint>(state.range(0));
  const auto n = static_cast<blasint>(state.range(1));
  const auto k = static_cast<blasint>(state.range(2));
  const auto a_size = static_cast<std::size_t>(m) * static_cast<std::size_t>(k);
  const auto b_size = static_cast<std::size_t>(n) * static_cast<std::size_t>(k);
  const std::size_t set = a_size + b_size + static_cast<std::size_t>(m) * static_cast<std::size_t>(n);
  const std::size_t sets = kBeyondCache / set + 2;
  std::vector<float> memory(set * sets);
  for (std::size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<float>(i % 1009) / 1009.0F - 0.5F;
  std::size_t next = 0;
  for (auto step : state) {
    float* a = memory.data() + next * set;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1, a, k, a + a_size, k, 0, a + a_size + b_size, n);
    next = (next + 1) % sets;
  }
  SetRate(state);
}

// Shapes of tiny-vlm (QKV, up and gate, down of its LLM; up of its encoder) and of a larger layer.
void Shapes(benchmark::internal::Benchmark* run) {
  run->Args({512, 640, 384})->Args({512, 2048, 384})->Args({512, 384, 1024})->Args({1024, 1024, 256});
  run->Args({1024, 1024, 1024});
}

BENCHMARK(BackendGemm)->Name("Backend")->Apply(Shapes)->UseRealTime();
BENCHMARK(BareGemm)->Name("Bare")->Apply(Shapes)->UseRealTime();

}  // namespace
}  // namespace dflop
