// Row-major matrix products of OpenBLAS, in the three forms that training uses.
#pragma once

#include <cstdint>

namespace dflop::cpu {

/// A row-major matrix inside a larger buffer: `stride` values from one row to the next.
struct Matrix {
  float* data;
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t stride;

  Matrix(float* values, std::int64_t row_count, std::int64_t column_count)
      : Matrix(values, row_count, column_count, column_count) {}
  Matrix(float* values, std::int64_t row_count, std::int64_t column_count, std::int64_t row_stride)
      : data(values), rows(row_count), columns(column_count), stride(row_stride) {}
};

/// C = scale·A·Bᵀ + keep·C with A [m,k], B [n,k].
void MultiplyTransposed(const Matrix& a, const Matrix& b, const Matrix& c, float scale = 1, float keep = 0);
/// C = scale·A·B + keep·C with A [m,k], B [k,n].
void Multiply(const Matrix& a, const Matrix& b, const Matrix& c, float scale = 1, float keep = 0);
/// C = scale·Aᵀ·B + keep·C with A [k,m], B [k,n].
void TransposedMultiply(const Matrix& a, const Matrix& b, const Matrix& c, float scale = 1, float keep = 0);

}  // namespace dflop::cpu
