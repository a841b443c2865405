// makespan: assignment and order of microbatches by what counts, the simulated time of the step.
//
// DFLOP (arXiv 2603.25120) balances sums over buckets and leaves the order of buckets to chance. In a pipeline both
// matter: neighbours of unequal size make stages wait for each other, large microbatches at either end of the step
// lengthen its filling and draining, and a message or an encoder's union delays one replica and not the other. This
// batcher starts from another one's plan and looks for buckets whose step is shorter
// (policies/batching_search/makespan_search.hpp). Its budget counts evaluations, so that it is deterministic; its plan
// is never longer than the one it starts from.
//
// It keeps the caps of the problem that its start keeps, and a cap on LLM tokens per microbatch of its own
// ("max_tokens"), the note saying where the start broke that; of limits that the start was given as parameters it knows
// nothing. A start that plans encoders apart from the LLM is left as it is, and the note says so.
#include <algorithm>
#include <optional>
#include <utility>

#include "policies/api/registry.hpp"
#include "policies/batching_search/batch_checks.hpp"
#include "policies/batching_search/corrected_costs.hpp"
#include "policies/batching_search/makespan_search.hpp"
#include "policies/batching_search/start_batcher.hpp"
#include "sim/measure/metrics.hpp"
#include "sim/step/step.hpp"
#include "sim/step/step_replay.hpp"

namespace dflop {
namespace {

constexpr int kEvaluations = 2000;
constexpr int kMostEvaluations = 100'000'000;
constexpr double kMostTokens = 1e9;

/// Seconds of a whole step built anew.
Seconds StepTime(const BatchContext& context, const Buckets& buckets, const AdjustCosts& adjust) {
  if (adjust)
    return StepReplay(context.cost, context.layout, context.orders, context.batch, buckets, adjust).makespan();
  return SimulateStep(context, {buckets}, context.batch, *MakeReplayEngine()).times.makespan;
}

Bytes Peak(const BatchContext& context, const Buckets& buckets) {
  return PeakMemory(context, DivideWork({buckets}, context.layout, context.cost, context.batch)).peak;
}

struct Options {
  int evaluations = kEvaluations;
  std::optional<double> max_tokens{};
};

class MakespanBatcher final : public BatchScheduler {
 public:
  MakespanBatcher(std::unique_ptr<BatchScheduler> start, Options options)
      : start_(std::move(start)), options_(options) {}

  BatchPlan Schedule(const BatchProblem& problem, RandomStream& random) override {
    BatchPlan plan = start_->Schedule(problem, random);
    if (problem.context == nullptr || problem.rehearsal) return plan;
    const bool searches = plan.encoder_buckets.empty() && plan.context_ranks.empty() && problem.buckets() > 1;
    if (searches) Shorten(WithTokenCap(problem), plan, random);
    if (!plan.encoder_buckets.empty()) AddNote(plan, "makespan leaves a plan with encoders of its own as it is");
    if (!plan.context_ranks.empty()) AddNote(plan, "makespan leaves a plan with context degrees of its own as it is");
    BatchProblem own = problem;
    own.caps.clear();
    AddNote(plan, BrokenCaps(WithTokenCap(own), plan));
    return plan;
  }

 private:
  void Shorten(const BatchProblem& problem, BatchPlan& plan, RandomStream& random) const {
    const AdjustCosts adjust = CorrectedCosts(problem);
    Buckets found = Search(problem, plan.buckets, adjust, random);
    const BatchContext& context = *problem.context;
    if (StepTime(context, found, adjust) < StepTime(context, plan.buckets, adjust)) plan.buckets = std::move(found);
  }
  BatchProblem WithTokenCap(BatchProblem problem) const {
    if (!options_.max_tokens) return problem;
    BucketCap cap{"LLM tokens", {}, *options_.max_tokens};
    for (const SampleShape& sample : problem.context->batch) cap.amounts.push_back(sample.llm_tokens);
    problem.caps.push_back(std::move(cap));
    return problem;
  }

  /// Another order holds other buckets at the same time, which caps per bucket do not see. So what is found must fit
  /// into memory, unless the start needs as much. Where it does not, the search begins anew and asks at every step,
  /// which takes longer.
  Buckets Search(const BatchProblem& problem, const Buckets& start, const AdjustCosts& adjust,
                 RandomStream& random) const {
    const BatchContext& context = *problem.context;
    const Bytes allowed = std::max(context.cost.cluster().smallest_memory(), Peak(context, start));
    const auto fits = [&](const Buckets& buckets) { return Peak(context, buckets) <= allowed; };
    Buckets found = SearchShorterStep(problem, start, options_.evaluations, adjust, {}, random);
    if (fits(found)) return found;
    return SearchShorterStep(problem, start, options_.evaluations, adjust, fits, random);
  }

  std::unique_ptr<BatchScheduler> start_;
  Options options_;
};

Options ReadOptions(const Parameters& given) {
  Options options;
  options.evaluations = static_cast<int>(given.Int("evaluations"));
  if (given.Given("max_tokens")) options.max_tokens = given.Number("max_tokens");
  return options;
}

const Registration<BatchScheduler> kMakespan{
    {"makespan",
     "assignment and order of microbatches by the simulated step time, from another batcher's plan on",
     {StartParameter("whose plan the search begins with"),
      {.name = "evaluations",
       .type = Parameter::Integer{0, kMostEvaluations},
       .standard = kEvaluations,
       .help = "steps simulated in a search"},
      {.name = "max_tokens",
       .type = Parameter::Number{1, kMostTokens},
       .unit = "LLM tokens",
       .help = "that a microbatch may hold; by default what memory allows"}}},
    [](const Parameters& given) { return std::make_unique<MakespanBatcher>(MakeStart(given), ReadOptions(given)); }};

}  // namespace
}  // namespace dflop
