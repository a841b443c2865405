// Hands nearly every call on to the kernels that are measured one by one, so that training runs what was profiled.
#include "real_runner/cpu/training_kernels.hpp"

#include "base/error.hpp"
#include "real_runner/cpu/matrix.hpp"
#include "real_runner/cpu/row_kernels.hpp"

namespace dflop::cpu {
namespace {

using training::LayerShape;
using training::Pack;
using training::RowRange;

AttentionHeads HeadsOf(const LayerShape& s) { return {s.heads, s.kv_heads, s.head_dim(), s.causal}; }

AttentionInputs Split(const LayerShape& s, float* qkv) {
  return {qkv, qkv + s.query_width(), qkv + s.query_width() + s.kv_width(), s.qkv_width(), s.qkv_width()};
}

}  // namespace

TrainingStorage::TrainingStorage(TrainingKernels&, std::int64_t trained, std::int64_t frozen, std::int64_t unread)
    : frozen_(static_cast<std::size_t>(frozen)), unread_(static_cast<std::size_t>(unread)) {
  for (auto* block : {&weights_, &gradients_, &first_moments_, &second_moments_}) {
    block->resize(static_cast<std::size_t>(trained));
  }
}

void TrainingStorage::StepOptimizer(int step) {
  AdamW(weights_.data(), first_moments_.data(), second_moments_.data(), gradients_.data(), nullptr,
        static_cast<Count>(weights_.size()), step);
}

std::byte* TrainingMemory::Reserve(std::size_t bytes) {
  void* start = arena_->Reserve((bytes + training::kLineBytes) / sizeof(float));
  std::size_t space = bytes + training::kLineBytes;
  return static_cast<std::byte*>(std::align(training::kLineBytes, bytes, start, space));
}

void TrainingKernels::Norm(const float* x, const float* gain, float* y, std::int64_t rows, std::int64_t width) {
  NormForward(x, gain, y, rows, width);
}

void TrainingKernels::NormBackward(const float* dy, const float* x, const float* gain, float* dx, float* dgain,
                                   std::int64_t rows, std::int64_t width) {
  cpu::NormBackward(dy, x, gain, dx, dgain, rows, width);
}

void TrainingKernels::Linear(const float* x, const float* w, float* y, std::int64_t rows, std::int64_t outputs,
                             std::int64_t inputs) {
  MultiplyTransposed(ConstMatrix(x, rows, inputs), ConstMatrix(w, outputs, inputs), Matrix(y, rows, outputs));
}

void TrainingKernels::LinearInput(const float* dy, const float* w, float* dx, std::int64_t rows, std::int64_t outputs,
                                  std::int64_t inputs) {
  Multiply(ConstMatrix(dy, rows, outputs), ConstMatrix(w, outputs, inputs), Matrix(dx, rows, inputs));
}

void TrainingKernels::LinearWeight(const float* dy, const float* x, float* dw, std::int64_t rows, std::int64_t outputs,
                                   std::int64_t inputs, bool add) {
  TransposedMultiply(ConstMatrix(dy, rows, outputs), ConstMatrix(x, rows, inputs), Matrix(dw, outputs, inputs), 1,
                     add ? 1.F : 0.F);
}

/// log Σ exp of every row of scores.
std::int64_t TrainingKernels::StateBytes(const LayerShape& shape, const Pack& pack) const {
  return pack.tokens * shape.heads * static_cast<std::int64_t>(sizeof(float));
}

/// Queries and keys lie side by side, so they turn as one run of heads.
void TrainingKernels::Rotate(const LayerShape& s, const Pack& pack, float* qkv, int direction) {
  for (const std::int64_t length : pack.lengths) {
    cpu::Rotate(qkv, qkv, {length, s.heads + s.kv_heads, s.head_dim(), s.qkv_width(), static_cast<float>(direction)});
    qkv += length * s.qkv_width();
  }
}

void TrainingKernels::AttentionForward(const LayerShape& shape, const Pack& pack, float* qkv, float* context,
                                       void* state) {
  PackForward(pack, HeadsOf(shape), Split(shape, qkv), context, static_cast<float*>(state));
}

void TrainingKernels::AttentionBackward(const LayerShape& shape, const Pack& pack, float* qkv, float* context,
                                        void* state, float* d_context, float* d_qkv) {
  PackBackward(pack, HeadsOf(shape), Split(shape, qkv), context, static_cast<float*>(state), d_context,
               Split(shape, d_qkv));
}

void TrainingKernels::Activation(const LayerShape& s, const float* up, float* act, std::int64_t rows) {
  if (!s.gated) return Silu(up, act, rows * s.ffn);
  GatedSilu(up, up + s.ffn, act, rows, s.ffn, s.up_width());
}

void TrainingKernels::ActivationBackward(const LayerShape& s, const float* d_act, const float* up, float* d_up,
                                         std::int64_t rows) {
  if (!s.gated) return SiluBackward(d_act, up, d_up, rows * s.ffn);
  GatedSiluBackward(d_act, up, up + s.ffn, d_up, d_up + s.ffn, rows, s.ffn, s.up_width());
}

void TrainingKernels::Silu(const float* u, float* y, std::int64_t values) { cpu::Silu(u, y, values); }

void TrainingKernels::SiluBackward(const float* dy, const float* u, float* du, std::int64_t values) {
  cpu::SiluBackward(dy, u, du, values);
}

void TrainingKernels::Add(const float* a, const float* b, float* y, std::int64_t values) { cpu::Add(a, b, y, values); }

void TrainingKernels::Copy(const float* x, float* y, std::int64_t values) { cpu::Copy(x, y, values); }

void TrainingKernels::RowSums(const float* x, const RowRange* ranges, std::int64_t count, float* y,
                              std::int64_t width) {
  for (const RowRange* range = ranges; range != ranges + count; ++range) {
    float* to = y + range->to * width;
    const float* from = x + range->first * width;
    if (range->count == 0) std::fill_n(to, width, 0.F);
    for (std::int64_t r = 0; r < range->count; ++r, from += width) {
      for (std::int64_t c = 0; c < width; ++c) to[c] = (r == 0 ? 0.F : to[c]) + range->scale * from[c];
    }
  }
}

void TrainingKernels::AddRepeated(const float* x, float* y, std::int64_t times, std::int64_t values) {
  for (std::int64_t t = 0; t < times; ++t) cpu::Add(x, y + t * values, y + t * values, values);
}

void TrainingKernels::SumRepeated(const float* dy, float* dx, std::int64_t times, std::int64_t values) {
  for (std::int64_t t = 0; t < times; ++t) cpu::Add(dy + t * values, dx, dx, values);
}

void TrainingKernels::Embed(const float* table, const float* ids, const std::int64_t* rows, std::int64_t count,
                            float* y, std::int64_t width) {
  for (std::int64_t i = 0; i < count; ++i) cpu::Embed(table, ids + i, y + rows[i] * width, 1, width);
}

void TrainingKernels::EmbedBackward(const float* dy, const float* ids, const std::int64_t* rows, std::int64_t count,
                                    float* dtable, std::int64_t width) {
  for (std::int64_t i = 0; i < count; ++i) cpu::EmbedBackward(dy + rows[i] * width, ids + i, dtable, 1, width);
}

void TrainingKernels::CrossEntropy(const float* logits, const float* targets, const float* weights, float* losses,
                                   float* d_logits, std::int64_t tokens, std::int64_t vocab) {
  cpu::CrossEntropy(logits, targets, weights, losses, d_logits, tokens, vocab);
}

void TrainingKernels::AddWeighted(const float* weights, const float* losses, std::int64_t count, Sum& sum) {
  for (std::int64_t i = 0; i < count; ++i) sum.Add(static_cast<double>(weights[i]) * static_cast<double>(losses[i]));
}

void TrainingKernels::PackRows(const Piece&, Rows& rows, bool alone, Payload& payload) {
  if (alone) {
    payload.values = std::move(rows);
    return;
  }
  payload.values.insert(payload.values.end(), rows.begin(), rows.end());
}

void TrainingKernels::PackTiles(const Piece& piece, training::TileRows<TrainingKernels>& tiles, Payload& payload) {
  const auto begin = static_cast<std::int64_t>(payload.values.size());
  payload.values.resize(payload.values.size() + static_cast<std::size_t>(piece.values()));
  tiles.places.EachTile(piece, [&](int, int, const training::TilePlaces::Place& place, std::int64_t row) {
    cpu::Copy(tiles.rows.data() + place.first_row * tiles.width, payload.values.data() + begin + row * tiles.width,
              place.rows * tiles.width);
  });
}

void TrainingKernels::Unpack(const Message& message, Payload payload, Traffic& traffic) {
  const bool alone = message.pieces.size() == 1;
  const float* next = payload.values.data();
  for (const Piece& piece : message.pieces) {
    if (piece.projected) {
      traffic.tiles.places.EachTile(piece, [&](int, int, const training::TilePlaces::Place& place, std::int64_t row) {
        cpu::Copy(next + row * piece.width, traffic.tiles.rows.data() + place.first_row * piece.width,
                  place.rows * piece.width);
      });
    } else {
      auto& received = traffic.received[piece.module];
      received.here = true;
      if (alone) {
        received.rows = std::move(payload.values);
        return;
      }
      received.rows.assign(next, next + piece.values());
    }
    next += piece.values();
  }
}

}  // namespace dflop::cpu
