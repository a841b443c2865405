// cuBLASLt thinks in columns: the row-major product C = A·B is its Cᵀ = Bᵀ·Aᵀ, and a row-major matrix read by columns
// is its transpose already. So our B is its first operand, our A its second, and nothing is copied.
#include "real_runner/cuda/matmul.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "real_runner/cuda/timing.hpp"

namespace dflop::cuda {
namespace {

constexpr int kCandidates = 8;
constexpr int kTunedLaunches = 3;  // each candidate's figure is the median of these

struct Layout {
  Layout(cudaDataType type, std::int64_t rows, std::int64_t columns, std::int64_t leading) {
    DFLOP_CUDA_CHECK(cublasLtMatrixLayoutCreate(&layout, type, static_cast<std::uint64_t>(rows),
                                                static_cast<std::uint64_t>(columns), leading));
  }
  ~Layout() { cublasLtMatrixLayoutDestroy(layout); }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;
  template <typename T>
  void Set(cublasLtMatrixLayoutAttribute_t attribute, T value) {
    DFLOP_CUDA_CHECK(cublasLtMatrixLayoutSetAttribute(layout, attribute, &value, sizeof value));
  }
  void Batch(std::int64_t count, std::int64_t stride) {
    Set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, static_cast<std::int32_t>(count));
    Set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, stride);
  }
  cublasLtMatrixLayout_t layout = nullptr;
};

struct Description {
  Description() { DFLOP_CUDA_CHECK(cublasLtMatmulDescCreate(&description, CUBLAS_COMPUTE_32F, CUDA_R_32F)); }
  ~Description() { cublasLtMatmulDescDestroy(description); }
  Description(const Description&) = delete;
  Description& operator=(const Description&) = delete;
  void Transpose(cublasLtMatmulDescAttributes_t attribute, bool transpose) {
    const cublasOperation_t operation = transpose ? CUBLAS_OP_T : CUBLAS_OP_N;
    DFLOP_CUDA_CHECK(cublasLtMatmulDescSetAttribute(description, attribute, &operation, sizeof operation));
  }
  cublasLtMatmulDesc_t description = nullptr;
};

struct Preference {
  Preference() { DFLOP_CUDA_CHECK(cublasLtMatmulPreferenceCreate(&preference)); }
  ~Preference() { cublasLtMatmulPreferenceDestroy(preference); }
  Preference(const Preference&) = delete;
  Preference& operator=(const Preference&) = delete;
  template <typename T>
  void Set(cublasLtMatmulPreferenceAttributes_t attribute, T value) {
    DFLOP_CUDA_CHECK(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value));
  }
  cublasLtMatmulPreference_t preference = nullptr;
};

double Median(std::vector<TimedLaunch> times) {
  std::sort(times.begin(), times.end(), [](const auto& a, const auto& b) { return a.seconds < b.seconds; });
  return times[times.size() / 2].seconds;
}

}  // namespace

MatmulShape ForwardShape(std::int64_t m, std::int64_t n, std::int64_t k) {
  return {.m = m, .n = n, .k = k, .transpose_b = true, .lda = k, .ldb = k, .ldc = n};
}

MatmulShape InputGradientShape(std::int64_t m, std::int64_t n, std::int64_t k) {
  return {.m = m, .n = k, .k = n, .lda = n, .ldb = k, .ldc = k};
}

MatmulShape WeightGradientShape(std::int64_t m, std::int64_t n, std::int64_t k) {
  return {.m = n, .n = k, .k = m, .transpose_a = true, .lda = n, .ldb = k, .ldc = k, .float_c = true};
}

struct Matmul::Plan {
  Plan(Device& of, const MatmulShape& shape)
      : device(of),
        alpha(shape.alpha),
        a(CUDA_R_16BF, shape.transpose_a ? shape.m : shape.k, shape.transpose_a ? shape.k : shape.m, shape.lda),
        b(CUDA_R_16BF, shape.transpose_b ? shape.k : shape.n, shape.transpose_b ? shape.n : shape.k, shape.ldb),
        c(shape.float_c ? CUDA_R_32F : CUDA_R_16BF, shape.n, shape.m, shape.ldc) {
    description.Transpose(CUBLASLT_MATMUL_DESC_TRANSA, shape.transpose_b);
    description.Transpose(CUBLASLT_MATMUL_DESC_TRANSB, shape.transpose_a);
    if (const std::int32_t target = device.multiprocessors(); target > 0) {
      DFLOP_CUDA_CHECK(cublasLtMatmulDescSetAttribute(description.description, CUBLASLT_MATMUL_DESC_SM_COUNT_TARGET,
                                                      &target, sizeof target));
    }
    if (shape.batch > 1) {
      a.Batch(shape.batch, shape.stride_a);
      b.Batch(shape.batch, shape.stride_b);
      c.Batch(shape.batch, shape.stride_c);
    }
    FindCandidates(shape);
  }

  void FindCandidates(const MatmulShape& shape) {
    Preference preference;
    preference.Set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<std::uint64_t>(Device::kWorkspaceBytes));
    for (const auto attribute :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
      preference.Set(attribute, shape.alignment_bytes);
    }
    std::array<cublasLtMatmulHeuristicResult_t, kCandidates> results{};
    int found = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(device.blas(), description.description, b.layout, a.layout, c.layout, c.layout,
                                       preference.preference, kCandidates, results.data(), &found);
    if (status != CUBLAS_STATUS_SUCCESS || found == 0) {
      throw Unsupported("cuBLASLt has no algorithm for m " + std::to_string(shape.m) + ", n " +
                        std::to_string(shape.n) + ", k " + std::to_string(shape.k));
    }
    for (int i = 0; i < found; ++i) {
      if (results[static_cast<std::size_t>(i)].state == CUBLAS_STATUS_SUCCESS) {
        candidates.push_back(results[static_cast<std::size_t>(i)].algo);
      }
    }
    if (candidates.empty()) throw Unsupported("cuBLASLt has no algorithm for this shape");
  }

  cublasStatus_t Run(const MatmulOperands& operands, const cublasLtMatmulAlgo_t& algorithm, bool accumulate) const {
    const float beta = accumulate ? 1 : 0;
    return cublasLtMatmul(device.blas(), description.description, &alpha, operands.b, b.layout, operands.a, a.layout,
                          &beta, operands.c, c.layout, operands.c, c.layout, &algorithm, device.workspace(),
                          static_cast<std::size_t>(Device::kWorkspaceBytes), device.stream());
  }

  int Config(cublasLtMatmulAlgoConfigAttributes_t attribute) const {
    int value = 0;
    std::size_t written = 0;
    cublasLtMatmulAlgoConfigGetAttribute(&candidates.front(), attribute, &value, sizeof value, &written);
    return value;
  }

  Device& device;
  float alpha;
  Description description;
  Layout a, b, c;
  std::vector<cublasLtMatmulAlgo_t> candidates;  ///< the first one runs
};

Matmul::Matmul(Device& device, const MatmulShape& shape) : plan_(std::make_unique<Plan>(device, shape)) {}

Matmul::~Matmul() = default;

void Matmul::Tune(const std::function<MatmulOperands(int)>& operands) {
  std::size_t best = plan_->candidates.size();
  double best_seconds = 0;
  int launch = 0;
  LaunchTimer timer;
  for (std::size_t i = 0; i < plan_->candidates.size(); ++i) {
    // The heuristics may name an algorithm that refuses the actual addresses.
    if (plan_->Run(operands(launch++), plan_->candidates[i], false) != CUBLAS_STATUS_SUCCESS) continue;
    const double seconds = Median(timer.Time(
        plan_->device.stream(), [&] { DFLOP_CUDA_CHECK(plan_->Run(operands(launch++), plan_->candidates[i], false)); },
        kTunedLaunches));
    if (best == plan_->candidates.size() || seconds < best_seconds) {
      best = i;
      best_seconds = seconds;
    }
  }
  if (best == plan_->candidates.size()) throw Unsupported("every cuBLASLt algorithm for this shape refused to run");
  std::swap(plan_->candidates.front(), plan_->candidates[best]);
}

void Matmul::Launch(const MatmulOperands& operands, bool accumulate) const {
  DFLOP_CUDA_CHECK(plan_->Run(operands, plan_->candidates.front(), accumulate));
}

std::string Matmul::name() const {
  return "cublasLt algo " + std::to_string(plan_->Config(CUBLASLT_ALGO_CONFIG_ID)) + " tile " +
         std::to_string(plan_->Config(CUBLASLT_ALGO_CONFIG_TILE_ID));
}

}  // namespace dflop::cuda
