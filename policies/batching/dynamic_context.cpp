// dynamic-context: over how many context-parallel ranks the sequences of each microbatch are divided.
//
// A degree that the longest video needs is wasted on short samples: keys and values go round a ring for chunks too
// small to hide it. So every microbatch gets the degree, a divisor of the layout's, under which its slowest stage is
// predicted to be fastest; below the layout's own, sets of ranks run different sequences (ByteScale, arXiv 2502.21231;
// FlexSP, arXiv 2412.01523; Megatron-LM's hybrid context parallelism). Which samples stand together is the start's
// business. A plan whose step is longer than the start's for all that (where what was shortened hid messages) is left;
// where it takes too much memory, the microbatches with most tokens on a rank are divided further, as far
// as the layout's degree.
#include <algorithm>
#include <map>
#include <utility>

#include "base/index.hpp"
#include "base/text.hpp"
#include "policies/api/layout_planner.hpp"
#include "policies/api/registry.hpp"
#include "policies/batching_search/start_batcher.hpp"
#include "sim/build/step_costs.hpp"
#include "sim/measure/metrics.hpp"
#include "sim/step/step.hpp"

namespace dflop {
namespace {

using Degrees = std::vector<std::vector<int>>;  ///< [replica][microbatch]

Degrees Everywhere(const Buckets& buckets, int degree) {
  Degrees degrees;
  for (const auto& replica : buckets) degrees.emplace_back(replica.size(), degree);
  return degrees;
}

class DynamicContext final : public BatchScheduler {
 public:
  explicit DynamicContext(std::unique_ptr<BatchScheduler> start) : start_(std::move(start)) {}

  BatchPlan Schedule(const BatchProblem& problem, RandomStream& random) override {
    BatchPlan plan = start_->Schedule(problem, random);
    if (problem.context == nullptr) return plan;
    const BatchContext& context = *problem.context;
    const int ranks = ContextRanks(context.layout);
    if (ranks <= 1 || context.layout.splits > 1 || !plan.context_ranks.empty()) {
      AddNote(plan, WhyNothing(context.layout, ranks, plan));
      return plan;
    }
    const BatchPlan start = plan;
    const bool had_room = Choose(context, ranks, plan);
    const bool whole = plan.context_ranks == Everywhere(plan.buckets, ranks);
    // What is quicker by itself may be what hid messages.
    if (whole || (!problem.rehearsal && StepTime(context, plan) > StepTime(context, start))) {
      plan = start;
      if (!had_room) AddNote(plan, "memory has no room for other context-parallel degrees than the layout's");
    } else {
      AddNote(plan, "context-parallel degrees of microbatches: " + Counts(plan.context_ranks));
    }
    return plan;
  }

 private:
  static void AddNote(BatchPlan& plan, const std::string& note) { plan.note += (plan.note.empty() ? "" : "; ") + note; }

  static std::string WhyNothing(const Layout& layout, int ranks, const BatchPlan& plan) {
    if (!plan.context_ranks.empty()) return "";  // the start has chosen
    if (ranks == 0) return "dynamic-context leaves degrees as they are, as experts are dealt over the same ranks";
    if (layout.splits > 1) return "dynamic-context leaves degrees as they are, as sequences are split";
    return "dynamic-context has no context-parallel degree to choose in this layout";
  }

  static Seconds StepTime(const BatchContext& context, const BatchPlan& plan) {
    return SimulateStep(context, plan, context.batch, *MakeReplayEngine()).times.makespan;
  }

  static std::string Counts(const Degrees& degrees) {
    std::map<int, int> counts;
    for (const auto& replica : degrees) {
      for (const int degree : replica) ++counts[degree];
    }
    std::string words;
    for (const auto& [degree, count] : counts) {
      words += Format("%s%d of %d", words.empty() ? "" : ", ", count, degree);
    }
    return words;
  }

  /// [replica][microbatch]: of the slowest LLM stage, forward and backward.
  static std::vector<std::vector<Seconds>> Slowest(const BatchContext& context, const BatchPlan& plan) {
    const StepWork work = DivideWork(plan, context.layout, context.cost, context.batch);
    const StepCosts costs = PriceStep(context.cost, context.layout, work);
    std::vector<std::vector<Seconds>> slowest(plan.buckets.size());
    for (std::size_t s = 0; s < context.layout.stages.size(); ++s) {
      const Stage& stage = context.layout.stages[s];
      const bool llm = std::any_of(stage.parts.begin(), stage.parts.end(),
                                   [&](const ModulePart& part) { return part.module == context.layout.modules() - 1; });
      if (!llm) continue;
      std::vector<Seconds>& row = slowest[Index(stage.replica)];
      row.resize(costs.stages[s].size());
      for (std::size_t k = 0; k < row.size(); ++k) {
        const PartCost& cost = costs.stages[s][k];
        row[k] = std::max(row[k], cost.forward.time + cost.backward.time + cost.weight_gradient.time);
      }
    }
    return slowest;
  }

  /// False where memory undid every choice.
  static bool Choose(const BatchContext& context, int ranks, BatchPlan& plan) {
    Degrees best = Everywhere(plan.buckets, ranks);
    std::vector<std::vector<Seconds>> least;
    for (int degree = ranks; degree >= 1; --degree) {
      if (ranks % degree != 0) continue;
      plan.context_ranks = Everywhere(plan.buckets, degree);
      const auto times = Slowest(context, plan);
      if (least.empty()) least = times;
      for (std::size_t r = 0; r < times.size(); ++r) {
        for (std::size_t k = 0; k < times[r].size(); ++k) {
          if (times[r][k] < least[r][k]) least[r][k] = times[r][k], best[r][k] = degree;
        }
      }
    }
    const Degrees whole = Everywhere(plan.buckets, ranks);
    const bool chose = best != whole;
    plan.context_ranks = std::move(best);
    DivideUntilItFits(context, ranks, plan);
    return !chose || plan.context_ranks != whole;
  }

  /// Lowers the tokens that a rank may hold by a fifth at a time, from the most that one does, until the plan fits.
  static void DivideUntilItFits(const BatchContext& context, int ranks, BatchPlan& plan) {
    const Bytes memory = context.cost.cluster().smallest_memory() * (1 - kMemoryReserve);
    const auto fits = [&] {
      return PeakMemory(context, DivideWork(plan, context.layout, context.cost, context.batch)).peak <= memory;
    };
    double allowed = MostTokens(context, plan);
    while (!fits() && plan.context_ranks != Everywhere(plan.buckets, ranks)) {
      allowed *= 0.8;
      DivideAbove(context, ranks, allowed, plan);
    }
  }
  static double TokensOnARank(const BatchContext& context, const std::vector<int>& bucket, int ranks, int degree) {
    SequenceBatch batch;
    for (const int i : bucket) batch.Add(context.batch[Index(i)].llm_tokens, 1);
    batch.context_ranks = degree;
    const ModulePart part{.module = context.layout.modules() - 1, .mesh = {.cp = ranks}};
    return FullestShare(context.cost.model(), context.cost.software(), part, batch).tokens;
  }
  static double MostTokens(const BatchContext& context, const BatchPlan& plan) {
    const int ranks = ContextRanks(context.layout);
    double most = 0;
    for (std::size_t r = 0; r < plan.buckets.size(); ++r) {
      for (std::size_t k = 0; k < plan.buckets[r].size(); ++k) {
        most = std::max(most, TokensOnARank(context, plan.buckets[r][k], ranks, plan.context_ranks[r][k]));
      }
    }
    return most;
  }
  static void DivideAbove(const BatchContext& context, int ranks, double allowed, BatchPlan& plan) {
    for (std::size_t r = 0; r < plan.buckets.size(); ++r) {
      for (std::size_t k = 0; k < plan.buckets[r].size(); ++k) {
        int& degree = plan.context_ranks[r][k];
        while (degree < ranks && TokensOnARank(context, plan.buckets[r][k], ranks, degree) > allowed) {
          do ++degree;
          while (ranks % degree != 0);
        }
      }
    }
  }

  std::unique_ptr<BatchScheduler> start_;
};

const Registration<BatchScheduler> kDynamicContext{
    {"dynamic-context",
     "another batcher's plan, each microbatch over as many context-parallel ranks as make it fastest",
     {StartParameter("whose plan gets the degrees")}},
    [](const Parameters& given) { return std::make_unique<DynamicContext>(MakeStart(given)); }};

}  // namespace
}  // namespace dflop
