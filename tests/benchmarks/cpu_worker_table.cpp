// What the `cpu` worker takes for forward, backward and optimizer of tiny-vlm's stages, beside the sum of its kernels,
// each measured alone on the same shapes by the profiler's backend, and beside the cost model's prediction from a cost
// trace of this machine (traces/data/cpu-core.json of another):
//   cpu_worker_table TRACE.json [microbatches]
// CPU time, the shortest of several runs each, so that a busy machine blurs the comparison little.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "base/index.hpp"
#include "models/gradient_flow.hpp"
#include "real_runner/cpu/denormals.hpp"
#include "real_runner/cpu/timed_run.hpp"
#include "real_runner/execute/cpu_worker.hpp"
#include "real_runner/kernels/backend.hpp"
#include "real_runner/kernels/layer_operations.hpp"
#include "real_runner/kernels/row_shapes.hpp"
#include "sim/build/step_costs.hpp"

namespace dflop {
namespace {

constexpr int kRepeats = 7;
constexpr double kBytes = 4;

/// Without what others took of the processor.
double OwnSeconds(const Span& span) { return span.end_s - span.start_s - span.lost_s; }

double Shortest(Backend& backend, const CostRow& row) {
  static std::map<std::string, double> known;
  const std::string key = RowKey(row);
  if (const auto found = known.find(key); found != known.end()) return found->second;
  const std::unique_ptr<PreparedKernel> kernel = backend.Prepare(row);
  const FlushedDenormals flushed;
  double shortest = 1e9;
  for (int i = 0; i < kRepeats; ++i) shortest = std::min(shortest, OwnSeconds(cpu::TimeRun([&] { kernel->Launch(); })));
  return known[key] = shortest;
}

/// Collects the kernels of one operation.
class KernelSum {
 public:
  KernelSum(Backend& backend, bool forward) : backend_(backend), forward_(forward) {}

  void Add(const CostRow& row, double times = 1) { seconds_ += times * Shortest(backend_, row); }
  /// Forward, or the gradients of input and weight.
  void Gemm(double tokens, double outputs, double inputs, bool input_gradient = true) {
    if (forward_) return Add(GemmRow(tokens, outputs, inputs, "forward", "fp32"));
    if (input_gradient) Add(GemmRow(tokens, outputs, inputs, "input_gradient", "fp32"));
    Add(GemmRow(tokens, outputs, inputs, "weight_gradient", "fp32"));
  }
  void Norm(double values) { Move("norm", forward_ ? 2 : 3, values, forward_ ? "forward" : "backward"); }
  void Move(const char* op, double per_value, double values, const char* direction = "forward") {
    Add(MemoryRow(op, per_value * values * kBytes, direction, "fp32"));
  }
  void Layers(const TransformerShape& shape, bool causal, const std::vector<std::int64_t>& lengths, int count) {
    const char* direction = forward_ ? "forward" : "backward";
    std::int64_t tokens = 0;
    for (const std::int64_t length : lengths) tokens += length;
    const CostRow layer = LayerRow(shape, causal, tokens, causal ? tokens : lengths.front(), direction, "fp32");
    for (const LayerPart& part : LayerParts(layer)) {
      if (part.row.op == "attention_causal") {
        Add(PackedAttentionRow(lengths, shape.heads, shape.kv_heads, shape.head_dim(), direction, "fp32"), count);
      } else {
        Add(part.row, part.times * count);
      }
    }
  }
  double seconds() const { return seconds_; }

 private:
  Backend& backend_;
  bool forward_;
  double seconds_ = 0;
};

double EncoderKernels(Backend& backend, const ModelSpec& model, std::int64_t tiles, bool forward) {
  const EncoderSpec& encoder = model.encoders.front();
  const double tokens = static_cast<double>(tiles) * encoder.tokens_per_tile();
  const double rows = static_cast<double>(tiles) * encoder.projected_tokens_per_tile();
  const double hidden = encoder.shape.hidden;
  const double width = model.llm.shape.hidden;
  KernelSum sum(backend, forward);
  sum.Gemm(tokens, hidden, encoder.patch_values(), false);
  if (forward) sum.Move("add", 3, tokens * hidden);
  sum.Layers(encoder.shape, false,
             std::vector<std::int64_t>(static_cast<std::size_t>(tiles), encoder.tokens_per_tile()),
             encoder.shape.layers);
  sum.Norm(tokens * hidden);
  sum.Gemm(rows, width, encoder.projector_input_width());
  sum.Gemm(rows, width, width);
  return sum.seconds();
}

double LlmKernels(Backend& backend, const ModelSpec& model, const std::vector<std::int64_t>& lengths, bool forward) {
  double tokens = 0;
  for (const std::int64_t length : lengths) tokens += static_cast<double>(length);
  KernelSum sum(backend, forward);
  sum.Layers(model.llm.shape, true, lengths, model.llm.shape.layers);
  sum.Norm(tokens * model.llm.shape.hidden);
  sum.Gemm(tokens, model.llm.vocab, model.llm.shape.hidden);
  if (forward) sum.Add(MakeRow("loss", "forward", "fp32", {tokens, static_cast<double>(model.llm.vocab)}));
  return sum.seconds();
}

double OptimizerKernel(Backend& backend, const CostModel& cost, const Stage& stage) {
  return Shortest(backend, MakeRow("optimizer", "forward", "fp32", {cost.TrainableParameters(stage.parts.front())}));
}

Plan TinyPlan(int microbatches) {
  Plan plan;
  plan.seed = 1;
  plan.model = BuiltInModel("tiny-vlm");
  const Json cluster = ParseJson(R"({"name": "cpu-node", "nodes": 1})", "cluster");
  plan.cluster = ReadCluster(JsonReader(cluster, "cluster"));
  HomogeneousDegrees degrees;
  degrees.microbatches = microbatches;
  plan.layout = BuildLayout(degrees, plan.model, plan.cluster);
  plan.orders.resize(1);
  BatchPlan batch;
  batch.buckets.resize(1);
  std::vector<SampleShape> shapes;
  for (int k = 0; k < microbatches; ++k) {
    batch.buckets[0].emplace_back();
    for (int i = 0; i <= k; ++i) {  // microbatch k: k + 1 samples of growing size
      const int tiles = 1 + 2 * i;
      const int text = 40 + 90 * i;
      batch.buckets[0].back().push_back(static_cast<int>(shapes.size()));
      shapes.push_back({{tiles}, text + tiles * plan.model.encoders[0].projected_tokens_per_tile(), text});
    }
    for (const int chunk : {0, 1}) plan.orders[0].push_back({OpKind::kForward, k, chunk});
    for (const int chunk : {1, 0}) plan.orders[0].push_back({OpKind::kBackward, k, chunk});
  }
  plan.steps.push_back({shapes, batch, {}});
  return plan;
}

/// Shortest seconds by (stage, microbatch or −1, kind), and how long preparing took.
struct Measured {
  std::map<std::tuple<int, int, OpKind>, double> seconds;
  double prepare_s = 1e9;
};

void RunStep(const Plan& plan, StageWorker& worker, Measured& measured) {
  const auto keep = [&](int stage, int k, OpKind kind, const Span& span) {
    double& shortest = measured.seconds.try_emplace({stage, k, kind}, 1e9).first->second;
    shortest = std::min(shortest, OwnSeconds(span));
  };
  const StepProgram program = MakeStepProgram(plan, 0);
  const Span prepared = cpu::TimeRun([&] { worker.Prepare(program, 0); });
  measured.prepare_s = std::min(measured.prepare_s, OwnSeconds(prepared));
  std::vector<Payload> values(program.messages.size());
  for (const Action& action : program.ranks[0].actions) {
    for (const int m : action.receives) worker.Unpack(program.messages[Index(m)], std::move(values[Index(m)]));
    keep(action.stage, action.microbatch, action.kind, worker.Run(action));
    for (const int m : action.sends) values[Index(m)] = worker.Pack(program.messages[Index(m)]);
  }
  for (const int stage : {0, 1}) keep(stage, -1, OpKind::kOptimizerStep, worker.StepOptimizer(stage));
}

int Main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "usage: cpu_worker_table TRACE.json [microbatches]\n");
    return 2;
  }
  const Plan plan = TinyPlan(count > 2 ? std::atoi(arguments[2]) : 3);
  const CostModel cost(plan.model, plan.cluster, TraceKernelCosts(arguments[1], plan.cluster.only_node().gpu),
                       plan.software);
  const StepCosts costs =
      PriceStep(cost, plan.layout, DivideWork(plan.steps[0].plan, plan.layout, cost, plan.steps[0].batch));
  const std::unique_ptr<StageWorker> worker = MakeCpuWorker(plan, 0);
  Measured measured;
  for (int i = 0; i < kRepeats; ++i) RunStep(plan, *worker, measured);

  const std::unique_ptr<Backend> backend = MakeCpuBackend();
  std::printf("stage    mb  tiles/tokens  op        worker ms  kernels ms  ratio  predicted ms  ratio\n");
  for (const auto& [key, seconds] : measured.seconds) {
    const auto [stage, k, kind] = key;
    std::int64_t tiles = 0;
    std::vector<std::int64_t> lengths;
    if (k >= 0) {
      for (const int i : plan.steps[0].plan.buckets[0][Index(k)]) {
        tiles += plan.steps[0].batch[Index(i)].tiles[0];
        lengths.push_back(plan.steps[0].batch[Index(i)].llm_tokens);
      }
    }
    const bool forward = kind == OpKind::kForward;
    double kernels = 0;
    double predicted = 0;
    if (k < 0) {
      kernels = OptimizerKernel(*backend, cost, plan.layout.stages[Index(stage)]);
      predicted = costs.optimizer[Index(stage)].value();
    } else {
      kernels = stage == 0 ? EncoderKernels(*backend, plan.model, tiles, forward)
                           : LlmKernels(*backend, plan.model, lengths, forward);
      const PartCost& part = costs.stages[Index(stage)][Index(k)];
      predicted = (forward ? part.forward.time : part.backward.time + part.weight_gradient.time).value();
    }
    std::int64_t tokens = 0;
    for (const std::int64_t length : lengths) tokens += length;
    std::printf("%-8s %2d  %12lld  %-9s %9.2f  %10.2f  %5.2f  %12.2f  %5.2f\n", stage == 0 ? "encoder" : "llm", k,
                static_cast<long long>(stage == 0 ? tiles : tokens),
                k < 0     ? "optimizer"
                : forward ? "forward"
                          : "backward",
                1e3 * seconds, 1e3 * kernels, seconds / kernels, 1e3 * predicted, seconds / predicted);
  }
  return 0;
}

}  // namespace
}  // namespace dflop

int main(int count, char** arguments) { return dflop::Main(count, arguments); }
