// The operations of one kernel each: tensors in the order of real_runner/kernels/operations.hpp, and the call that runs
// them.
#include "real_runner/kernels/operations.hpp"

#include <algorithm>

#include "real_runner/cpu/attention.hpp"
#include "real_runner/cpu/cpu_operation.hpp"
#include "real_runner/cpu/matrix.hpp"
#include "real_runner/cpu/row_kernels.hpp"
#include "real_runner/kernels/backend.hpp"
#include "real_runner/kernels/operation_sizes.hpp"

namespace dflop {
namespace {

using cpu::Matrix;

constexpr int kValueBytes = 4;

std::int64_t Size(const CostRow& row, const char* dimension) {
  return static_cast<std::int64_t>(row.dimension(dimension));
}

[[noreturn]] void FailDirection(const CostRow& row) {
  throw Unsupported("the cpu backend knows no " + row.direction + " of " + row.op);
}

CpuOperation Forward(const CostRow& row, CpuOperation operation) {
  if (row.direction != "forward") FailDirection(row);
  return operation;
}

CpuOperation NormOperation(const CostRow& row) {
  const std::int64_t rows = RowsFor(row, kValueBytes);
  const std::int64_t width = kRowWidth;
  if (row.direction == "forward") {
    return {{{"x", {rows, width}}, {"g", {width}}, {"y", {rows, width}, Fill::kOutput}},
            [=](const TensorPointers& t) { cpu::NormForward(t[0], t[1], t[2], rows, width); },
            {}};
  }
  return {{{"dy", {rows, width}},
           {"x", {rows, width}},
           {"g", {width}},
           {"dx", {rows, width}, Fill::kOutput},
           {"dg", {width}, Fill::kOutput}},
          [=](const TensorPointers& t) {
            std::fill_n(t[4], width, 0.F);
            cpu::NormBackward(t[0], t[1], t[2], t[3], t[4], rows, width);
          },
          {}};
}

CpuOperation ActivationOperation(const CostRow& row) {
  const std::int64_t n = ValuesFor(row, kValueBytes);
  if (row.direction == "forward") {
    return {{{"u", {n}}, {"v", {n}}, {"y", {n}, Fill::kOutput}},
            [=](const TensorPointers& t) { cpu::GatedSilu(t[0], t[1], t[2], 1, n, n); },
            {}};
  }
  return {{{"dy", {n}}, {"u", {n}}, {"v", {n}}, {"du", {n}, Fill::kOutput}, {"dv", {n}, Fill::kOutput}},
          [=](const TensorPointers& t) { cpu::GatedSiluBackward(t[0], t[1], t[2], t[3], t[4], 1, n, n); },
          {}};
}

CpuOperation EmbeddingOperation(const CostRow& row) {
  const std::int64_t rows = RowsFor(row, kValueBytes);
  const std::int64_t width = kRowWidth;
  return Forward(row,
                 {{{"table", {rows, width}}, {"ids", {rows}, Fill::kIndex, rows}, {"y", {rows, width}, Fill::kOutput}},
                  [=](const TensorPointers& t) { cpu::Embed(t[0], t[1], t[2], rows, width); },
                  {}});
}

/// x [r,w] → y [r,w].
CpuOperation RowsToRows(const CostRow& row) {
  const std::int64_t rows = RowsFor(row, kValueBytes);
  const std::int64_t width = kRowWidth;
  CpuOperation operation{{{"x", {rows, width}}, {"y", {rows, width}, Fill::kOutput}}, {}, {}};
  if (row.op == "softmax") {
    operation.run = [=](const TensorPointers& t) { cpu::Softmax(t[0], t[1], rows, width); };
  } else {
    operation.run = [=](const TensorPointers& t) { cpu::Rotate(t[0], t[1], {rows, 1, width, width}); };
  }
  return Forward(row, operation);
}

}  // namespace

CpuOperation GemmOperation(const CostRow& row) {
  const std::int64_t m = Size(row, "m");
  const std::int64_t n = Size(row, "n");
  const std::int64_t k = Size(row, "k");
  const CpuTensor x{"x", {m, k}};
  const CpuTensor w{"w", {n, k}, Fill::kWeight};
  const CpuTensor dy{"dy", {m, n}};
  if (row.direction == "forward") {
    return {{x, w, {"y", {m, n}, Fill::kOutput}},
            [=](const TensorPointers& t) {
              cpu::MultiplyTransposed(Matrix(t[0], m, k), Matrix(t[1], n, k), Matrix(t[2], m, n));
            },
            {}};
  }
  if (row.direction == "input_gradient") {
    return {{dy, w, {"dx", {m, k}, Fill::kOutput}},
            [=](const TensorPointers& t) { cpu::Multiply(Matrix(t[0], m, n), Matrix(t[1], n, k), Matrix(t[2], m, k)); },
            {}};
  }
  return {{dy, x, {"dw", {n, k}, Fill::kOutput}},
          [=](const TensorPointers& t) {
            cpu::TransposedMultiply(Matrix(t[0], m, n), Matrix(t[1], m, k), Matrix(t[2], n, k));
          },
          {}};
}

CpuOperation AttentionOperation(const CostRow& row) {
  const cpu::AttentionSizes s{Size(row, "batch"),    Size(row, "seq"),      Size(row, "heads"),
                              Size(row, "kv_heads"), Size(row, "head_dim"), row.op == "attention_causal"};
  if (s.heads % s.kv_heads != 0) throw Unsupported("heads must be a multiple of kv_heads");
  const std::int64_t q_stride = s.heads * s.head_dim;
  const std::int64_t kv_stride = s.kv_heads * s.head_dim;
  const std::vector<std::int64_t> queries = {s.batch, s.seq, s.heads, s.head_dim};
  const std::vector<std::int64_t> keys = {s.batch, s.seq, s.kv_heads, s.head_dim};
  const CpuTensor lse{"lse", {s.batch, s.heads, s.seq}, Fill::kWorkspace};
  const auto inputs = [=](const TensorPointers& t) {
    return cpu::AttentionInputs{t[0], t[1], t[2], q_stride, kv_stride};
  };
  if (row.direction == "forward") {
    return {{{"q", queries}, {"k", keys}, {"v", keys}, {"o", queries, Fill::kOutput}, lse},
            [=](const TensorPointers& t) { cpu::AttentionForward(s, inputs(t), t[3], t[4]); },
            {}};
  }
  return {{{"q", queries},
           {"k", keys},
           {"v", keys},
           {"do", queries},
           {"dq", queries, Fill::kOutput},
           {"dk", keys, Fill::kOutput},
           {"dv", keys, Fill::kOutput},
           {"o", queries, Fill::kWorkspace},
           lse},
          [=](const TensorPointers& t) {
            cpu::AttentionBackward(s, inputs(t), t[7], t[8], t[3], {t[4], t[5], t[6], q_stride, kv_stride});
          },
          [=](const TensorPointers& t) { cpu::AttentionForward(s, inputs(t), t[7], t[8]); }};
}

CpuOperation MemoryBoundOperation(const CostRow& row) {
  if (row.direction != "forward" && row.direction != "backward") FailDirection(row);
  if (row.op == "norm") return NormOperation(row);
  if (row.op == "activation") return ActivationOperation(row);
  if (row.op == "embedding") return EmbeddingOperation(row);
  if (row.op == "rope" || row.op == "softmax") return RowsToRows(row);
  const std::int64_t n = ValuesFor(row, kValueBytes);
  const CpuTensor y{"y", {n}, Fill::kOutput};
  if (row.op == "add") {
    return Forward(row,
                   {{{"a", {n}}, {"b", {n}}, y}, [=](const TensorPointers& t) { cpu::Add(t[0], t[1], t[2], n); }, {}});
  }
  return Forward(row, {{{"x", {n}}, y}, [=](const TensorPointers& t) { cpu::Copy(t[0], t[1], n); }, {}});
}

CpuOperation LossOperation(const CostRow& row) {
  const std::int64_t tokens = Size(row, "tokens");
  const std::int64_t vocab = Size(row, "vocab");
  return Forward(row,
                 {{{"logits", {tokens, vocab}},
                   {"targets", {tokens}, Fill::kIndex, vocab},
                   {"losses", {tokens}, Fill::kOutput},
                   {"dlogits", {tokens, vocab}, Fill::kOutput}},
                  [=](const TensorPointers& t) { cpu::CrossEntropy(t[0], t[1], nullptr, t[2], t[3], tokens, vocab); },
                  {}});
}

CpuOperation OptimizerOperation(const CostRow& row) {
  const std::int64_t n = Size(row, "parameters");
  return Forward(row, {{{"w", {n}},
                        {"m", {n}},
                        {"v", {n}, Fill::kSquare},
                        {"gradient", {n}},
                        {"w_new", {n}, Fill::kOutput, 0, "w"},
                        {"m_new", {n}, Fill::kOutput, 0, "m"},
                        {"v_new", {n}, Fill::kOutput, 0, "v"},
                        {"low", {n}, Fill::kOutput}},
                       [=](const TensorPointers& t) { cpu::AdamW(t[0], t[1], t[2], t[3], t[7], n, kAdam.step); },
                       {}});
}

CpuOperation MakeCpuOperation(const CostRow& row) {
  if (row.dtype != "fp32") throw Unsupported("the cpu backend computes in fp32, not in " + row.dtype);
  if (row.op == "gemm") return GemmOperation(row);
  if (IsPacked(row.op)) return PackedAttentionOperation(row);
  if (row.op.starts_with("attention")) return AttentionOperation(row);
  if (IsMemoryBound(row.op)) return MemoryBoundOperation(row);
  if (row.op == "loss") return LossOperation(row);
  if (row.op == "optimizer") return OptimizerOperation(row);
  if (row.op == "launch") return {{}, [](const TensorPointers&) {}, {}};
  if (row.op == "layer") return LayerOperation(row);
  throw Unsupported("the cpu backend has no " + row.op);
}

}  // namespace dflop
