// One call of sgemm behind all three; the widths of its integers depend on how OpenBLAS was built.
#include "real_runner/cpu/matrix.hpp"

#include <cblas.h>

namespace dflop::cpu {
namespace {

blasint Int(std::int64_t value) { return static_cast<blasint>(value); }

void Gemm(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, std::int64_t k, const ConstMatrix& a, const ConstMatrix& b,
          const Matrix& c, float scale, float keep) {
  cblas_sgemm(CblasRowMajor, ta, tb, Int(c.rows), Int(c.columns), Int(k), scale, a.data, Int(a.stride), b.data,
              Int(b.stride), keep, c.data, Int(c.stride));
}

}  // namespace

void MultiplyTransposed(const ConstMatrix& a, const ConstMatrix& b, const Matrix& c, float scale, float keep) {
  Gemm(CblasNoTrans, CblasTrans, a.columns, a, b, c, scale, keep);
}

void Multiply(const ConstMatrix& a, const ConstMatrix& b, const Matrix& c, float scale, float keep) {
  Gemm(CblasNoTrans, CblasNoTrans, a.columns, a, b, c, scale, keep);
}

void TransposedMultiply(const ConstMatrix& a, const ConstMatrix& b, const Matrix& c, float scale, float keep) {
  Gemm(CblasTrans, CblasNoTrans, a.rows, a, b, c, scale, keep);
}

}  // namespace dflop::cpu
