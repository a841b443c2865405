// Matrix products by cuBLASLt: bf16 in, fp32 sums, bf16 or fp32 out.
#pragma once

#include <cublasLt.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "real_runner/cuda/device.hpp"

namespace dflop::cuda {

/// C[m,n] = alpha·A·B (+ C) in row-major terms. A is stored [m,k], or [k,m] when transposed; B [k,n], or [n,k] when
/// transposed. ld*: elements between rows as stored. `batch` products lie stride_* elements apart.
struct MatmulShape {
  std::int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
  std::int64_t lda = 0, ldb = 0, ldc = 0;
  std::int64_t batch = 1, stride_a = 0, stride_b = 0, stride_c = 0;
  bool float_c = false;
  float alpha = 1;
  std::uint32_t alignment_bytes = 256;  ///< of every address it will be given
};

struct MatmulOperands {
  const void* a;
  const void* b;
  void* c;
};

/// y [m,n] = x [m,k]·wᵀ and its two gradients, all contiguous, as the row "gemm" names them.
MatmulShape ForwardShape(std::int64_t m, std::int64_t n, std::int64_t k);
MatmulShape InputGradientShape(std::int64_t m, std::int64_t n, std::int64_t k);
MatmulShape WeightGradientShape(std::int64_t m, std::int64_t n, std::int64_t k);

class Matmul {
 public:
  /// Unsupported when cuBLASLt has no algorithm for the shape.
  Matmul(Device& device, const MatmulShape& shape);
  ~Matmul();
  Matmul(const Matmul&) = delete;
  Matmul& operator=(const Matmul&) = delete;

  /// Times the heuristics' candidates on the operands of each launch and keeps the fastest. Overwrites C.
  void Tune(const std::function<MatmulOperands(int launch)>& operands);
  void Launch(const MatmulOperands& operands, bool accumulate = false) const;
  /// E.g. "cublasLt algo 66 tile 20".
  std::string name() const;

 private:
  struct Plan;
  std::unique_ptr<Plan> plan_;
};

}  // namespace dflop::cuda
