// Bytes of the memory-bound parts are counted by the values that each kernel reads and writes.
#include "real_runner/kernels/layer_operations.hpp"

#include <algorithm>
#include <utility>

#include "real_runner/kernels/row_shapes.hpp"

namespace dflop {
namespace {

struct Sizes {
  explicit Sizes(const CostRow& row)
      : tokens(row.dimension("tokens")),
        hidden(row.dimension("hidden")),
        ffn(row.dimension("ffn_hidden")),
        head_dim(hidden / row.dimension("heads")),
        qkv(hidden + 2 * row.dimension("kv_heads") * head_dim),
        gated(row.dimension("gated") > 0),
        causal(row.dimension("causal") > 0) {}

  double up() const { return gated ? 2 * ffn : ffn; }

  double tokens, hidden, ffn, head_dim, qkv;
  bool gated, causal;
};

void AddGemms(const Sizes& s, const std::string& direction, const std::string& dtype, std::vector<LayerPart>& parts) {
  parts.push_back({GemmRow(s.tokens, s.qkv, s.hidden, direction, dtype)});
  parts.push_back({GemmRow(s.tokens, s.hidden, s.hidden, direction, dtype)});
  parts.push_back({GemmRow(s.tokens, s.up(), s.hidden, direction, dtype)});
  parts.push_back({GemmRow(s.tokens, s.hidden, s.ffn, direction, dtype)});
}

/// The kernels beside GEMMs and attention, by the values that each moves.
void AddMemoryBound(const Sizes& s, const std::string& direction, const std::string& dtype,
                    std::vector<LayerPart>& parts) {
  const bool forward = direction == "forward";
  const double bytes = s.tokens * ValueBytes(dtype);
  const double activation = s.gated ? (forward ? 3 : 5) : (forward ? 2 : 3);  // without a gate neither v nor dv
  parts.push_back({MemoryRow("norm", (forward ? 2 : 3) * s.hidden * bytes, direction, dtype), 2});
  parts.push_back({MemoryRow("add", 3 * s.hidden * bytes, "forward", dtype), 2});
  parts.push_back({MemoryRow("activation", activation * s.ffn * bytes, direction, dtype)});
  const double turned = (s.hidden + s.qkv) / 2;  // queries and keys
  if (s.gated && s.causal) parts.push_back({MemoryRow("rope", 2 * turned * bytes, "forward", dtype)});
}

/// Σ length² over the sequences of an attention row.
double Scores(const CostRow& row) {
  if (!IsPacked(row.op)) return row.dimension("batch") * row.dimension("seq") * row.dimension("seq");
  double squares = 0;
  for (const std::int64_t length : row.lengths) squares += static_cast<double>(length) * static_cast<double>(length);
  return squares;
}

}  // namespace

CostRow LayerRow(const TransformerShape& shape, bool causal, std::int64_t tokens, std::int64_t seq,
                 const std::string& direction, const std::string& dtype) {
  return MakeRow("layer", direction, dtype,
                 {static_cast<double>(tokens), static_cast<double>(seq), static_cast<double>(shape.hidden),
                  static_cast<double>(shape.ffn_hidden), static_cast<double>(shape.heads),
                  static_cast<double>(shape.kv_heads), shape.gated_ffn ? 1.0 : 0.0, causal ? 1.0 : 0.0});
}

std::vector<LayerPart> LayerParts(const CostRow& layer) {
  const Sizes sizes(layer);
  const bool forward = layer.direction == "forward";
  std::vector<LayerPart> parts;
  for (const char* direction : {"forward", "input_gradient", "weight_gradient"}) {
    if (forward == (direction == std::string("forward"))) AddGemms(sizes, direction, layer.dtype, parts);
  }
  parts.push_back({AttentionRow(sizes.causal,
                                {sizes.tokens / layer.dimension("seq"), layer.dimension("seq"),
                                 layer.dimension("heads"), layer.dimension("kv_heads"), sizes.head_dim},
                                layer.direction, layer.dtype)});
  AddMemoryBound(sizes, layer.direction, layer.dtype, parts);
  return parts;
}

double RowFlops(const CostRow& row) {
  if (row.op == "gemm") return 2 * row.dimension("m") * row.dimension("n") * row.dimension("k");
  if (row.op.starts_with("attention")) {
    const double per_score = row.op == "attention_full" ? 4 : 2;
    const double forward = per_score * Scores(row) * row.dimension("heads") * row.dimension("head_dim");
    return row.direction == "forward" ? forward : 2.5 * forward;
  }
  if (row.op != "layer") return 0;
  double flops = 0;
  for (const LayerPart& part : LayerParts(row)) flops += part.times * RowFlops(part.row);
  return flops;
}

}  // namespace dflop
