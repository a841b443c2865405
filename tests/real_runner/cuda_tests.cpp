// Every operation of the cuda backend, and its stage workers, against float64 references: `cuda_tests`, a program of
// its own because machines with GPUs seldom have GoogleTest. Prints a table and, as its last line, "N passed, N
// failed"; exit 1 when one failed, 2 without a device.
//
// Errors are the largest difference over the largest reference value. Inputs are bf16 in both, so a single kernel with
// fp32 sums differs by little more than the rounding of its output, 2⁻⁹. Attention rounds scores or probabilities in
// between, a layer each of its dozen tensors.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "real_runner/kernels/backend.hpp"
#include "real_runner/kernels/row_shapes.hpp"
#include "tests/real_runner/cuda_worker_tests.hpp"
#include "tests/real_runner/kernel_reference.hpp"

namespace dflop {
namespace {

constexpr double kExact = 0;
constexpr double kOneRounding = 0x1p-8;  // twice the 2⁻⁹ of one rounding
constexpr double kFloatSums = 0x1p-13;   // fp32 output: 2⁻²⁴ a step, a few hundred random steps, truncating adders
constexpr double kAttentionForward = 0x1p-6, kAttentionBackward = 0x1p-5;
constexpr double kLayerForward = 0x1p-6, kLayerBackward = 0x1p-4;

class Tests {
 public:
  explicit Tests(Backend& backend) : backend_(backend) {
    std::printf("%-88s %9s %9s  %s\n", "kernel", "error", "allowed", "implementation");
  }

  void Check(const CostRow& row, double allowed) {
    Check(row, allowed, [&](const std::vector<HostTensor>& tensors) { return CompareWithReference(row, tensors); });
  }

  void Check(const CostRow& row, double allowed,
             const std::function<KernelError(const std::vector<HostTensor>&)>& compare) {
    const std::string key = RowKey(row);
    try {
      const std::unique_ptr<PreparedKernel> kernel = backend_.Prepare(row);
      kernel->Launch();  // on another set, if there are several: sets must not disturb each other
      const KernelError error = compare(kernel->RunOnce());
      const bool passed = error.relative <= allowed;
      std::printf("%-88s %9.2e %9.2e  %s%s%s\n", key.c_str(), error.relative, allowed, kernel->implementation().c_str(),
                  passed ? "" : "  FAILED in ", passed ? "" : error.tensor.c_str());
      ++(passed ? passed_ : failed_);
    } catch (const std::exception& failure) {
      std::printf("%-88s FAILED: %s\n", key.c_str(), failure.what());
      ++failed_;
    }
    std::fflush(stdout);
  }

  void Add(const TestTally& more) {
    passed_ += more.passed;
    failed_ += more.failed;
  }

  TestTally tally() const { return {passed_, failed_}; }

  int Finish() const {
    std::printf("%d passed, %d failed\n", passed_, failed_);
    return failed_ == 0 ? 0 : 1;
  }

 private:
  Backend& backend_;
  int passed_ = 0, failed_ = 0;
};

CostRow Row(const std::string& op, const std::string& direction, const std::vector<double>& sizes) {
  return MakeRow(op, direction, "bf16", sizes);
}

void Gemms(Tests& tests) {
  const std::vector<std::vector<double>> shapes = {{16, 16, 16},    {1, 8, 8},        {128, 256, 512}, {257, 129, 65},
                                                   {33, 1000, 200}, {1000, 72, 1152}, {384, 640, 1024}};
  for (const auto& shape : shapes) {
    tests.Check(Row("gemm", "forward", shape), kOneRounding);
    tests.Check(Row("gemm", "input_gradient", shape), kOneRounding);
    tests.Check(Row("gemm", "weight_gradient", shape), kFloatSums);
  }
}

void Attentions(Tests& tests) {
  // Sizes of batch, seq, heads, kv_heads, head_dim: grouped heads, the encoders' widths 48, 72 and 80, odd lengths.
  const std::vector<std::vector<double>> shapes = {{1, 64, 2, 2, 64},   {2, 128, 4, 2, 128}, {1, 200, 8, 2, 128},
                                                   {3, 81, 2, 2, 72},   {1, 256, 4, 4, 48},  {2, 97, 2, 1, 80},
                                                   {1, 1024, 2, 1, 128}};
  for (const char* op : {"attention_causal", "attention_full"}) {
    for (const auto& shape : shapes) {
      tests.Check(Row(op, "forward", shape), kAttentionForward);
      tests.Check(Row(op, "backward", shape), kAttentionBackward);
    }
  }
}

void Packs(Tests& tests) {
  const auto check = [&](const std::vector<std::int64_t>& lengths, double heads, double kv_heads, double head_dim) {
    tests.Check(PackedAttentionRow(lengths, heads, kv_heads, head_dim, "forward", "bf16"), kAttentionForward);
    tests.Check(PackedAttentionRow(lengths, heads, kv_heads, head_dim, "backward", "bf16"), kAttentionBackward);
  };
  check({64, 128}, 2, 2, 64);
  check({200, 37, 511, 96, 96}, 8, 2, 128);
  check({129, 1}, 2, 1, 80);
}

/// Bytes are chosen for one row, for few, for more rows than blocks are resident, and for a number of values that
/// divides no pack.
void MemoryBound(Tests& tests) {
  for (const double bytes : {16384.0, 120000.0, 3000010.0, 40000002.0}) {
    for (const char* op : {"norm", "activation", "rope", "add", "softmax", "copy"}) {
      tests.Check(Row(op, "forward", {bytes}), std::string(op) == "copy" ? kExact : kOneRounding);
    }
    tests.Check(Row("norm", "backward", {bytes}), kOneRounding);
    tests.Check(Row("activation", "backward", {bytes}), kOneRounding);
  }
  tests.Check(Row("embedding", "forward", {1000000}), kExact);
}

void Others(Tests& tests) {
  const std::vector<std::vector<double>> losses = {{1, 8}, {7, 1003}, {64, 32000}, {16, 152064}};
  for (const auto& shape : losses) tests.Check(Row("loss", "forward", shape), kOneRounding);
  for (const double parameters : {1.0, 1003.0, 1000000.0}) {
    tests.Check(Row("optimizer", "forward", {parameters}), kOneRounding);
  }
  // tokens, seq, hidden, ffn_hidden, heads, kv_heads, gated, causal
  const std::vector<std::vector<double>> layers = {
      {128, 64, 256, 512, 2, 1, 1, 1}, {162, 81, 144, 320, 2, 2, 0, 0}, {96, 96, 512, 384, 4, 2, 1, 1}};
  for (const auto& layer : layers) {
    tests.Check(Row("layer", "forward", layer), kLayerForward);
    tests.Check(Row("layer", "backward", layer), kLayerBackward);
  }
}

/// What rank `rank` must hold after the collective on the inputs `x`, in float64.
std::vector<double> Collected(const std::string& op, const std::vector<std::vector<float>>& x, std::size_t rank) {
  if (op == "send_recv") return {x[rank - 1].begin(), x[rank - 1].end()};
  std::vector<double> y;
  const std::size_t part = x[0].size() / x.size();
  if (op == "all_gather") {
    for (const auto& of_rank : x) y.insert(y.end(), of_rank.begin(), of_rank.end());
  } else if (op == "all_to_all") {
    for (const auto& of_rank : x) {
      const auto first = of_rank.begin() + static_cast<std::ptrdiff_t>(rank * part);
      y.insert(y.end(), first, first + static_cast<std::ptrdiff_t>(part));
    }
  } else {
    const bool whole = op == "all_reduce";
    y.assign(whole ? x[0].size() : part, 0);
    for (const auto& of_rank : x) {
      for (std::size_t i = 0; i < y.size(); ++i) y[i] += of_rank[whole ? i : rank * part + i];
    }
  }
  return y;
}

KernelError CompareCollective(const std::string& op, const std::vector<HostTensor>& tensors) {
  std::vector<std::vector<float>> x;
  for (const HostTensor& tensor : tensors) {
    if (tensor.name[0] == 'x') x.push_back(tensor.values);
  }
  KernelError worst;
  for (const HostTensor& tensor : tensors) {
    if (tensor.name[0] != 'y') continue;
    const std::vector<double> wanted = Collected(op, x, static_cast<std::size_t>(std::stoi(tensor.name.substr(2))));
    if (wanted.size() != tensor.values.size()) throw RunError(tensor.name + " has another size than expected");
    double largest = 1e-30, difference = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      largest = std::max(largest, std::abs(wanted[i]));
      const double here = std::abs(wanted[i] - static_cast<double>(tensor.values[i]));
      difference = std::isfinite(here) ? std::max(difference, here) : HUGE_VAL;
    }
    if (!(difference / largest <= worst.relative)) worst = {difference / largest, tensor.name};
  }
  return worst;
}

void Collectives(Tests& tests, int devices) {
  if (devices < 2) {
    std::printf("collectives skipped: one GPU\n");
    return;
  }
  for (const char* op : {"all_reduce", "reduce_scatter", "all_gather", "all_to_all", "send_recv"}) {
    for (const double bytes : {1024.0, 1000000.0}) {
      // Sums of bf16 are rounded once per rank on the way.
      tests.Check(Row(op, "forward", {bytes, static_cast<double>(devices)}), devices * kOneRounding,
                  [&](const std::vector<HostTensor>& tensors) { return CompareCollective(op, tensors); });
    }
  }
}

/// The first of two parts of the only GPU, while the other is busy: kernels, and the events that time them.
TestTally OfAPart() {
  const std::unique_ptr<Backend> backend = MakeCudaBackend({2, true});
  std::printf("%s\n", backend->Describe().name.c_str());
  Tests tests(*backend);
  tests.Check(Row("gemm", "forward", {384, 640, 1024}), kOneRounding);
  tests.Check(Row("norm", "forward", {3000010}), kOneRounding);
  tests.Check(Row("attention_causal", "backward", {2, 128, 4, 2, 128}), kAttentionBackward);
  tests.Check(Row("layer", "backward", {128, 64, 256, 512, 2, 1, 1, 1}), kLayerBackward);
  const std::unique_ptr<PreparedKernel> kernel = backend->Prepare(Row("gemm", "forward", {384, 640, 1024}));
  const double seconds = backend->Time(*kernel, 3).back().seconds;
  const bool timed = seconds > 0 && seconds < 1;
  std::printf("a launch on a part is timed: %.1f µs%s\n", seconds * 1e6, timed ? "" : "  FAILED");
  const TestTally tally = tests.tally();
  return {tally.passed + (timed ? 1 : 0), tally.failed + (timed ? 0 : 1)};
}

TestTally OfAPartOrItsFailure() {
  try {
    return OfAPart();
  } catch (const std::exception& failure) {
    std::printf("a part of the GPU FAILED: %s\n", failure.what());
    return {0, 1};
  }
}

int Run() {
  const std::unique_ptr<Backend> backend = MakeCudaBackend();
  const DeviceInfo device = backend->Describe();
  std::printf("%s, %s\n", device.name.c_str(), device.software.Dump().c_str());
  Tests tests(*backend);
  Gemms(tests);
  MemoryBound(tests);
  Others(tests);
  Attentions(tests);
  Packs(tests);
  Collectives(tests, device.devices);
  if (device.devices == 1) tests.Add(OfAPartOrItsFailure());
  tests.Add(TestCudaWorkers(device.devices));
  return tests.Finish();
}

}  // namespace
}  // namespace dflop

int main() {
  try {
    return dflop::Run();
  } catch (const dflop::InputError& error) {
    std::fprintf(stderr, "cuda_tests: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cuda_tests: %s\n", error.what());
    return 1;
  }
}
