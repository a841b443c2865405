// Tiles of 128 queries by 512 keys; the backward makes the scores anew from log Σ exp instead of keeping them.
#include "real_runner/cpu/attention.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "real_runner/cpu/matrix.hpp"

namespace dflop::cpu {
namespace {

// A tile of scores is 256 KiB: with its rows of q, k and v it stays in a second-level cache of 1 MiB.
constexpr std::int64_t kQueryTile = 128;
constexpr std::int64_t kKeyTile = 512;
constexpr float kMasked = std::numeric_limits<float>::lowest();

/// One head of one sequence: matrices of its queries [seq, d], keys and values.
struct Head {
  Matrix q, k, v;

  Head(const AttentionSizes& sizes, const AttentionInputs& in, std::int64_t sequence, std::int64_t head)
      : q(Of(in.q, in.q_stride, sizes, sequence, head)),
        k(Of(in.k, in.kv_stride, sizes, sequence, head / (sizes.heads / sizes.kv_heads))),
        v(Of(in.v, in.kv_stride, sizes, sequence, head / (sizes.heads / sizes.kv_heads))) {}

  static Matrix Of(float* data, std::int64_t stride, const AttentionSizes& sizes, std::int64_t sequence,
                   std::int64_t head) {
    return {data + sequence * sizes.seq * stride + head * sizes.head_dim, sizes.seq, sizes.head_dim, stride};
  }
};

Matrix Rows(const Matrix& matrix, std::int64_t first, std::int64_t count) {
  return {matrix.data + first * matrix.stride, count, matrix.columns, matrix.stride};
}

/// Two tiles of this thread. Made once: memory that is asked for anew comes page by page, every time.
struct TileBuffers {
  std::vector<float> scores = std::vector<float>(kQueryTile * kKeyTile);
  std::vector<float> gradients = std::vector<float>(kQueryTile * kKeyTile);
};
TileBuffers& ThreadBuffers() {
  static thread_local TileBuffers buffers;
  return buffers;
}

/// Scores of query rows [first_query, …) with key rows [first_key, …); what lies in the future is masked.
Matrix Scores(const Matrix& q, std::int64_t first_query, const Matrix& k, std::int64_t first_key, bool causal,
              float scale, std::vector<float>& buffer) {
  const Matrix scores(buffer.data(), q.rows, k.rows);
  MultiplyTransposed(q, k, scores, scale);
  if (!causal || first_key + k.rows <= first_query + 1) return scores;
  for (std::int64_t r = 0; r < q.rows; ++r) {
    const std::int64_t visible = std::clamp<std::int64_t>(first_query + r + 1 - first_key, 0, k.rows);
    std::fill(scores.data + r * k.rows + visible, scores.data + (r + 1) * k.rows, kMasked);
  }
  return scores;
}

/// Calls tile(first query, queries, first key, keys) for every tile with anything visible.
template <typename Tile>
void ForEachTile(const AttentionSizes& sizes, const Tile& tile) {
  for (std::int64_t query = 0; query < sizes.seq; query += kQueryTile) {
    const std::int64_t queries = std::min(kQueryTile, sizes.seq - query);
    const std::int64_t end = sizes.causal ? query + queries : sizes.seq;
    for (std::int64_t key = 0; key < end; key += kKeyTile) tile(query, queries, key, std::min(kKeyTile, end - key));
  }
}

/// Turns a row of scores into exp(score − new maximum); rescales what the row had gathered so far.
void OnlineSoftmaxRow(float* scores, std::int64_t keys, float* o, std::int64_t head_dim, float& maximum, float& sum) {
  float highest = maximum;
  for (std::int64_t c = 0; c < keys; ++c) highest = std::max(highest, scores[c]);
  const float shrink = maximum == kMasked ? 0 : std::exp(maximum - highest);
  float added = 0;
  for (std::int64_t c = 0; c < keys; ++c) {
    scores[c] = std::exp(scores[c] - highest);
    added += scores[c];
  }
  for (std::int64_t d = 0; d < head_dim; ++d) o[d] *= shrink;
  sum = sum * shrink + added;
  maximum = highest;
}

void ForwardHead(const AttentionSizes& sizes, const Head& head, const Matrix& o, float* lse,
                 std::vector<float>& buffer) {
  const float scale = 1 / std::sqrt(static_cast<float>(sizes.head_dim));
  std::vector<float> maxima(static_cast<std::size_t>(sizes.seq), kMasked);
  std::vector<float> sums(static_cast<std::size_t>(sizes.seq), 0);
  for (std::int64_t r = 0; r < sizes.seq; ++r) std::fill_n(o.data + r * o.stride, o.columns, 0.0F);
  ForEachTile(sizes, [&](std::int64_t query, std::int64_t queries, std::int64_t key, std::int64_t keys) {
    const Matrix scores =
        Scores(Rows(head.q, query, queries), query, Rows(head.k, key, keys), key, sizes.causal, scale, buffer);
    for (std::int64_t r = 0; r < queries; ++r) {
      const auto row = static_cast<std::size_t>(query + r);
      OnlineSoftmaxRow(scores.data + r * keys, keys, o.data + (query + r) * o.stride, sizes.head_dim, maxima[row],
                       sums[row]);
    }
    Multiply(scores, Rows(head.v, key, keys), Rows(o, query, queries), 1, 1);
  });
  for (std::int64_t r = 0; r < sizes.seq; ++r) {
    const auto row = static_cast<std::size_t>(r);
    for (std::int64_t d = 0; d < sizes.head_dim; ++d) o.data[r * o.stride + d] /= sums[row];
    lse[r] = maxima[row] + std::log(sums[row]);
  }
}

/// Σ do·o of every row: what the softmax's backward subtracts (FlashAttention-2, algorithm 2).
std::vector<float> RowSums(const Matrix& a, const Matrix& b) {
  std::vector<float> sums(static_cast<std::size_t>(a.rows));
  for (std::int64_t r = 0; r < a.rows; ++r) {
    float sum = 0;
    for (std::int64_t c = 0; c < a.columns; ++c) sum += a.data[r * a.stride + c] * b.data[r * b.stride + c];
    sums[static_cast<std::size_t>(r)] = sum;
  }
  return sums;
}

void BackwardHead(const AttentionSizes& sizes, const Head& head, const Matrix& o, const Matrix& d_o, const float* lse,
                  const Head& out, TileBuffers& buffers) {
  const float scale = 1 / std::sqrt(static_cast<float>(sizes.head_dim));
  const std::vector<float> row_sums = RowSums(d_o, o);
  ForEachTile(sizes, [&](std::int64_t query, std::int64_t queries, std::int64_t key, std::int64_t keys) {
    const Matrix q = Rows(head.q, query, queries);
    const Matrix k = Rows(head.k, key, keys);
    const Matrix g = Rows(d_o, query, queries);
    const Matrix p = Scores(q, query, k, key, sizes.causal, scale, buffers.scores);
    const Matrix dp(buffers.gradients.data(), queries, keys);
    MultiplyTransposed(g, Rows(head.v, key, keys), dp);
    for (std::int64_t r = 0; r < queries; ++r) {
      float* row = p.data + r * keys;
      float* gradient = dp.data + r * keys;
      const float shift = lse[query + r];
      const float sum = row_sums[static_cast<std::size_t>(query + r)];
      for (std::int64_t c = 0; c < keys; ++c) {
        row[c] = std::exp(row[c] - shift);
        gradient[c] = row[c] * (gradient[c] - sum);
      }
    }
    TransposedMultiply(p, g, Rows(out.v, key, keys), 1, 1);
    Multiply(dp, k, Rows(out.q, query, queries), scale, 1);
    TransposedMultiply(dp, q, Rows(out.k, key, keys), scale, 1);
  });
}

void Clear(float* data, std::int64_t rows, std::int64_t columns, std::int64_t stride) {
  for (std::int64_t r = 0; r < rows; ++r) std::fill_n(data + r * stride, columns, 0.0F);
}

}  // namespace

void AttentionForward(const AttentionSizes& sizes, const AttentionInputs& in, float* o, float* lse) {
  std::vector<float>& buffer = ThreadBuffers().scores;
  const std::int64_t width = sizes.heads * sizes.head_dim;
  for (std::int64_t sequence = 0; sequence < sizes.batch; ++sequence) {
    for (std::int64_t head = 0; head < sizes.heads; ++head) {
      ForwardHead(sizes, Head(sizes, in, sequence, head), Head::Of(o, width, sizes, sequence, head),
                  lse + (sequence * sizes.heads + head) * sizes.seq, buffer);
    }
  }
}

void AttentionBackward(const AttentionSizes& sizes, const AttentionInputs& in, float* o, float* lse, float* d_o,
                       const AttentionInputs& gradients) {
  TileBuffers& buffers = ThreadBuffers();
  const std::int64_t width = sizes.heads * sizes.head_dim;
  const std::int64_t tokens = sizes.batch * sizes.seq;
  Clear(gradients.q, tokens, width, gradients.q_stride);
  Clear(gradients.k, tokens, sizes.kv_heads * sizes.head_dim, gradients.kv_stride);
  Clear(gradients.v, tokens, sizes.kv_heads * sizes.head_dim, gradients.kv_stride);
  for (std::int64_t sequence = 0; sequence < sizes.batch; ++sequence) {
    for (std::int64_t head = 0; head < sizes.heads; ++head) {
      BackwardHead(sizes, Head(sizes, in, sequence, head), Head::Of(o, width, sizes, sequence, head),
                   Head::Of(d_o, width, sizes, sequence, head), lse + (sequence * sizes.heads + head) * sizes.seq,
                   Head(sizes, gradients, sequence, head), buffers);
    }
  }
}

}  // namespace dflop::cpu
