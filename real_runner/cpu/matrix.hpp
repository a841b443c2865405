// Row-major matrix products of OpenBLAS, in the three forms that training uses.
#pragma once

#include <cstdint>

namespace dflop::cpu {

/// A row-major matrix inside a larger buffer: `stride` values from one row to the next.
template <typename Value>
struct MatrixOf {
  Value* data;
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t stride;

  MatrixOf(Value* values, std::int64_t row_count, std::int64_t column_count)
      : MatrixOf(values, row_count, column_count, column_count) {}
  MatrixOf(Value* values, std::int64_t row_count, std::int64_t column_count, std::int64_t row_stride)
      : data(values), rows(row_count), columns(column_count), stride(row_stride) {}

  operator MatrixOf<const Value>() const { return {data, rows, columns, stride}; }  // NOLINT: as a pointer does
};
using Matrix = MatrixOf<float>;
using ConstMatrix = MatrixOf<const float>;

/// C = scale·A·Bᵀ + keep·C with A [m,k], B [n,k].
void MultiplyTransposed(const ConstMatrix& a, const ConstMatrix& b, const Matrix& c, float scale = 1, float keep = 0);
/// C = scale·A·B + keep·C with A [m,k], B [k,n].
void Multiply(const ConstMatrix& a, const ConstMatrix& b, const Matrix& c, float scale = 1, float keep = 0);
/// C = scale·Aᵀ·B + keep·C with A [k,m], B [k,n].
void TransposedMultiply(const ConstMatrix& a, const ConstMatrix& b, const Matrix& c, float scale = 1, float keep = 0);

}  // namespace dflop::cpu
