// Grids go from coarse to fine, shuffled within a step, so that one cut short is still spread evenly.
#include "real_runner/profile/profile_plan.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <utility>

#include "base/random.hpp"
#include "models/software_stack.hpp"
#include "models/tensor_parallel.hpp"
#include "real_runner/kernels/layer_operations.hpp"
#include "real_runner/kernels/operation_sizes.hpp"
#include "real_runner/kernels/row_shapes.hpp"
#include "real_runner/profile/job_packs.hpp"
#include "real_runner/profile/job_shapes.hpp"

namespace dflop {
namespace {

/// Powers of two from 2^low to 2^high.
struct Octaves {
  int low = 0;
  int high = 0;
};

/// The points of a box of octaves, corners first, then with half the step each time; in a random, fixed order within a
/// step, so that a grid that is cut short is still spread evenly.
std::vector<std::vector<double>> CoarseToFine(const std::vector<Octaves>& axes) {
  int step = 1;
  for (const Octaves& axis : axes) {
    while (step < axis.high - axis.low) step *= 2;
  }
  RandomStream random(0, "profile grid");
  std::set<std::vector<double>> seen;
  std::vector<std::vector<double>> points;
  for (; step >= 1; step /= 2) {
    std::vector<std::vector<double>> level = {{}};
    for (const Octaves& axis : axes) {
      std::vector<std::vector<double>> longer;
      for (const std::vector<double>& point : level) {
        for (int at = axis.low;; at = std::min(at + step, axis.high)) {
          longer.push_back(point);
          longer.back().push_back(std::ldexp(1.0, at));
          if (at == axis.high) break;
        }
      }
      level = std::move(longer);
    }
    random.Shuffle(level);
    for (const std::vector<double>& point : level) {
      if (seen.insert(point).second) points.push_back(point);
    }
  }
  return points;
}

/// The operations of which only the bytes count, each with its directions.
std::vector<std::pair<std::string, std::string>> MemoryBoundKernels() {
  return {{"copy", "forward"},  {"add", "forward"},        {"norm", "forward"},
          {"norm", "backward"}, {"activation", "forward"}, {"activation", "backward"},
          {"rope", "forward"},  {"embedding", "forward"},  {"softmax", "forward"}};
}

class Planner {
 public:
  Planner(const std::vector<ModelSpec>& models, const PlanOptions& options) : models_(models), options_(options) {}

  ProfilePlan Make() {
    Add(MakeRow("launch", "forward", options_.dtype, {}));
    for (const ModelSpec& model : models_) AddLayers(model);
    AddCollectives();
    for (const ModelSpec& model : models_)
      AddLoss(PaddedVocabulary(model.llm.vocab, SoftwareStack{}.vocabulary_multiple, 1));
    AddOptimizer();
    constexpr int kCoarse = 4;
    AddMemoryBound(kCoarse);
    for (const ModelSpec& model : models_) AddPacks(model);
    const JobShapes shapes = FindJobShapes(models_);
    AddJobShapes(shapes);
    AddGemmGrid();
    AddAttentionGrid(shapes);
    AddMemoryBound(1);
    return std::move(plan_);
  }

 private:
  bool TooMuchWork(const CostRow& row) const { return options_.flop_cap > 0 && RowFlops(row) > options_.flop_cap; }

  /// Whether it was new and within the cap.
  bool Add(const CostRow& row) {
    const bool wanted = !TooMuchWork(row) && known_.insert(RowKey(row)).second;
    if (wanted) plan_.rows.push_back(row);
    return wanted;
  }

  void AddGemm(const GemmShape& s) {
    for (const char* direction : {"forward", "input_gradient", "weight_gradient"}) {
      Add(GemmRow(s.m, s.n, s.k, direction, options_.dtype));
    }
  }

  void AddAttention(const AttentionSizes& s) {
    for (const char* direction : {"forward", "backward"}) {
      Add(AttentionRow(s.causal, {s.batch, s.seq, s.heads, s.kv_heads, s.head_dim}, direction, options_.dtype));
    }
  }

  /// As many tokens of a module as the cap allows: 16 tiles, or two sequences of 4,096 tokens; then half of that.
  void AddLayers(const ModelSpec& model) {
    for (int module = 0; module < model.module_count(); ++module) {
      const bool llm = model.is_llm(module);
      std::int64_t seq = llm ? 4096 : model.encoders[static_cast<std::size_t>(module)].tokens_per_tile();
      std::int64_t tokens = seq * (llm ? 2 : 16);
      const auto layer = [&](const char* direction) {
        return LayerRow(model.shape(module), llm, tokens, seq, direction, options_.dtype);
      };
      while (TooMuchWork(layer("backward")) && tokens > 1) {
        if (tokens == seq) seq /= 2;
        tokens = std::max(tokens / 2 / seq, std::int64_t{1}) * seq;
      }
      for (const char* direction : {"forward", "backward"}) AddLayer(layer(direction));
    }
  }

  void AddLayer(const CostRow& layer) {
    for (const LayerPart& part : LayerParts(layer)) Add(part.row);
    if (Add(layer)) plan_.layers.push_back(layer);
  }

  void AddCollectives() {
    constexpr double kSmallest = 1024;
    constexpr double kLargest = 1 << 30;
    if (options_.devices == 0) return;
    const double ranks = std::max(2, options_.devices);
    for (const char* op : {"all_reduce", "reduce_scatter", "all_gather", "all_to_all", "send_recv"}) {
      // One device: a single row, for the reason why it was skipped.
      const double largest = options_.devices == 1 ? kSmallest : kLargest;
      for (double bytes = kSmallest; bytes <= largest; bytes *= 4) {
        Add(MakeRow(op, "forward", options_.dtype, {bytes, ranks}));
      }
    }
  }

  void AddLoss(double vocab) {
    constexpr double kMostTokens = 16384;
    for (double tokens = 256; tokens <= kMostTokens; tokens *= 4) {
      if (2 * tokens * vocab * ValueBytes(options_.dtype) > options_.byte_cap) break;
      Add(MakeRow("loss", "forward", options_.dtype, {tokens, vocab}));
    }
  }

  void AddOptimizer() {
    constexpr double kBytesPerParameter = 30;  // four fp32 reads, three writes, the low-precision copy
    for (double parameters = 1 << 18; parameters * kBytesPerParameter <= options_.byte_cap; parameters *= 8) {
      Add(MakeRow("optimizer", "forward", options_.dtype, {parameters}));
    }
  }

  /// From 32 rows up, `octaves` powers of two between a size and the next.
  void AddMemoryBound(int octaves) {
    constexpr double kFewestRows = 32;
    for (double rows = kFewestRows;; rows *= std::ldexp(1.0, octaves)) {
      bool any = false;
      for (const auto& [op, direction] : MemoryBoundKernels()) {
        CostRow row = MemoryRow(op, 1, direction, options_.dtype);
        const double values = rows * static_cast<double>(kRowWidth);
        row.shape.front().second = ElementsMovedPerValue(row) * ValueBytes(options_.dtype) * values;
        if (row.shape.front().second > options_.byte_cap) continue;
        Add(row);
        any = true;
      }
      if (!any) return;
    }
  }

  /// Packs of the job's samples, all their lengths halved until the cap allows them: the mixture stays.
  void AddPacks(const ModelSpec& model) {
    const TransformerShape& shape = model.llm.shape;
    for (std::vector<std::int64_t> pack : JobPacks(model)) {
      const auto row = [&](const char* direction) {
        return PackedAttentionRow(pack, shape.heads, shape.kv_heads, shape.head_dim(), direction, options_.dtype);
      };
      while (TooMuchWork(row("backward")) && *std::max_element(pack.begin(), pack.end()) > 1) {
        for (std::int64_t& length : pack) length = (length + 1) / 2;
      }
      for (const char* direction : {"forward", "backward"}) Add(row(direction));
    }
  }

  void AddJobShapes(const JobShapes& shapes) {
    std::size_t gemm = 0;
    std::size_t attention = 0;
    while (gemm < shapes.gemms.size() || attention < shapes.attentions.size()) {
      const bool take_gemm =
          attention == shapes.attentions.size() ||
          (gemm < shapes.gemms.size() && shapes.gemms[gemm].share >= shapes.attentions[attention].share);
      if (take_gemm) {
        AddJobGemm(shapes.gemms[gemm++].shape);
      } else {
        AddJobAttention(shapes.attentions[attention++].shape);
      }
    }
  }

  void AddJobGemm(GemmShape shape) {
    while (TooMuchWork(GemmRow(shape.m, shape.n, shape.k, "forward", options_.dtype)) && shape.m >= 2) {
      shape.m = std::round(shape.m / 2);
    }
    job_gemms_.push_back(shape);
    AddGemm(shape);
  }

  void AddJobAttention(AttentionSizes s) {
    const auto backward = [&] {
      return AttentionRow(s.causal, {s.batch, s.seq, s.heads, s.kv_heads, s.head_dim}, "backward", options_.dtype);
    };
    while (TooMuchWork(backward()) && s.batch * s.seq >= 2) {
      double& size = s.batch > 1 ? s.batch : s.seq;
      size = std::ceil(size / 2);
    }
    AddAttention(s);
  }

  void AddGemmGrid() {
    std::vector<Octaves> box(3, {30, 0});
    for (const GemmShape& shape : job_gemms_) {
      const std::array<double, 3> sizes = {shape.m, shape.n, shape.k};
      for (std::size_t d = 0; d < 3; ++d) {
        box[d].low = std::min(box[d].low, static_cast<int>(std::floor(std::log2(sizes[d]))));
        box[d].high = std::max(box[d].high, static_cast<int>(std::ceil(std::log2(sizes[d]))));
      }
    }
    for (const std::vector<double>& point : CoarseToFine(box)) AddGemm({point[0], point[1], point[2]});
  }

  /// Every kind of heads that the job has, over sequences of 64 to 32,768 tokens and batches of 1 to 64.
  void AddAttentionGrid(const JobShapes& shapes) {
    constexpr double kMostTokens = 1 << 17;
    const std::vector<std::vector<double>> points = CoarseToFine({{0, 6}, {6, 15}});
    std::set<AttentionSizes> kinds;
    for (const Weighted<AttentionSizes>& entry : shapes.attentions) {
      AttentionSizes kind = entry.shape;
      kind.batch = kind.seq = 1;
      kinds.insert(kind);
    }
    for (const std::vector<double>& point : points) {
      if (point[0] * point[1] > kMostTokens) continue;
      for (AttentionSizes kind : kinds) {
        kind.batch = point[0];
        kind.seq = point[1];
        AddAttention(kind);
      }
    }
  }

  const std::vector<ModelSpec>& models_;
  const PlanOptions options_;
  ProfilePlan plan_;
  std::set<std::string> known_;
  std::vector<GemmShape> job_gemms_;
};

}  // namespace

ProfilePlan PlanProfile(const std::vector<ModelSpec>& models, const PlanOptions& options) {
  return Planner(models, options).Make();
}

}  // namespace dflop
