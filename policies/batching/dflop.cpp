// dflop: our solver of DFLOP's partitioning problem (arXiv 2603.25120, section 3.4), with what the paper leaves out.
//
// The paper's program bounds every bucket in every dimension by one C and minimises it: an integer program under a time
// limit, else LPT. Here LPT is the start of a search (bucket_search.hpp) that reaches the program's lower bound within
// milliseconds, and beyond C it lowers the second largest bucket, the third, … Further:
//   * an encoder with devices of its own runs the union of the replicas' microbatches of one index, so that the union
//     is bounded and not each bucket ("encoder_bound": "union"; "bucket" is the paper's form). What unions do not ask
//     for is that the microbatches of one index be alike, for which replicas wait; so buckets bounded one by one are
//     tried too, and the shorter predicted step decides;
//   * caps of the devices' memory ("memory_cap") and of LLM tokens per microbatch ("max_tokens"; needs the samples'
//     shapes and does nothing on a problem of bare numbers);
//   * equal sample counts on request ("equal_counts": they differ by at most one);
//   * the plan is polished at the cost of packed buckets, which sums of samples only approximate ("costs").
// The budget counts candidates ("evaluations"), so that results do not depend on the machine.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "base/error.hpp"
#include "base/index.hpp"
#include "policies/api/registry.hpp"
#include "policies/batching_search/batch_checks.hpp"
#include "policies/batching_search/bucket_search.hpp"
#include "policies/batching_search/equal_counts.hpp"
#include "policies/batching_search/packed_polish.hpp"
#include "sim/step/step.hpp"

namespace dflop {
namespace {

// Enough for 64 samples on 16 buckets to end within 0.3 % of the bound on average (results/scheduler).
constexpr std::int64_t kEvaluationsPerBatch = 200'000;
constexpr std::int64_t kEvaluationsPerSample = 2'000;
constexpr int kLeastPricings = 64;

struct Options {
  bool by_union = true;
  bool equal_counts = false;
  bool memory_cap = true;
  bool packed = true;
  std::optional<std::int64_t> max_tokens{};
  std::optional<std::int64_t> evaluations{};
};

void AddCosts(const BatchProblem& problem, bool by_union, SearchProblem& search) {
  for (std::size_t d = 0; d < problem.costs.size(); ++d) {
    SearchDimension& dimension = search.dimensions.emplace_back();
    dimension.weights = problem.costs[d];
    dimension.shared = by_union && !problem.over_union.empty() && problem.over_union[d];
    if (!problem.granule.empty()) dimension.granule = problem.granule[d];
  }
}

/// A cap counts only above its limit, and then more than any cost.
void AddCaps(const BatchProblem& problem, SearchProblem& search) {
  double beyond_costs = 0;
  for (const auto& costs : problem.costs) {
    for (const double cost : costs) beyond_costs += cost;
  }
  for (const BucketCap& cap : problem.caps) {
    SearchDimension& dimension = search.dimensions.emplace_back();
    for (const double amount : cap.amounts) dimension.weights.push_back(amount / cap.limit * beyond_costs);
    dimension.free = beyond_costs * (1 + 1e-12);
  }
}

SearchProblem MakeSearchProblem(const BatchProblem& problem, const Options& options, bool by_union) {
  SearchProblem search;
  search.samples = problem.samples();
  search.buckets = problem.buckets();
  search.group_size = problem.replicas;
  search.most_count = search.samples;
  if (options.equal_counts) {
    search.least_count = search.samples / search.buckets;
    search.fullest = search.samples % search.buckets;
    search.most_count = search.least_count + (search.fullest > 0 ? 1 : 0);
  }
  AddCosts(problem, by_union, search);
  AddCaps(problem, search);
  if (search.dimensions.size() > Index(kMostSearchDimensions)) {
    throw InputError("batching dflop balances at most " + std::to_string(kMostSearchDimensions) +
                     " dimensions and caps, the problem has " + std::to_string(search.dimensions.size()));
  }
  return search;
}

/// Blocks of `block` buckets, the one with the largest bucket first: the plan does not say in which order to run them,
/// but replicas whose microbatches of one index are about as long stay in step.
std::vector<std::vector<int>> LargestFirst(const BatchProblem& problem, std::vector<std::vector<int>> buckets,
                                           int block) {
  std::vector<std::pair<double, std::size_t>> order;
  for (std::size_t begin = 0; begin < buckets.size(); begin += Index(block)) {
    double largest = 0;
    for (const auto& costs : problem.costs) {
      for (std::size_t b = begin; b < begin + Index(block); ++b) {
        double sum = 0;
        for (const int i : buckets[b]) sum += costs[Index(i)];
        largest = std::max(largest, sum);
      }
    }
    order.emplace_back(-largest, begin);
  }
  std::sort(order.begin(), order.end());
  std::vector<std::vector<int>> sorted;
  for (const auto& [largest, begin] : order) {
    for (std::size_t b = begin; b < begin + Index(block); ++b) sorted.push_back(std::move(buckets[b]));
  }
  return sorted;
}

/// What tells apart two plans that both fill buckets evenly: the step as the simulator predicts it, or on bare numbers
/// the largest load.
double Badness(const BatchProblem& problem, const BatchPlan& plan) {
  if (problem.context == nullptr) return LargestBucket(problem, plan, true);
  const BatchContext& context = *problem.context;
  const auto replay = MakeReplayEngine();
  return SimulateStep(context, plan, context.batch, *replay).times.makespan.value();
}

class DflopBatcher final : public BatchScheduler {
 public:
  explicit DflopBatcher(Options options) : options_(options) {}

  BatchPlan Schedule(const BatchProblem& given, RandomStream&) override {
    const BatchProblem problem = WithOwnCaps(given);
    CheckBatch(problem);
    CheckCaps(problem);
    BatchPlan plan = Search(problem, false);
    if (BoundsUnions(problem)) {
      BatchPlan by_union = Search(problem, true);
      if (Badness(problem, by_union) < Badness(problem, plan)) plan = std::move(by_union);
    }
    plan.note = BrokenCaps(problem, plan);
    return plan;
  }

 private:
  std::int64_t Evaluations(const BatchProblem& problem) const {
    const std::int64_t all =
        options_.evaluations.value_or(kEvaluationsPerBatch + kEvaluationsPerSample * problem.samples());
    return problem.rehearsal ? std::min(all, kEvaluationsPerSample / 10 * problem.samples()) : all;
  }
  bool BoundsUnions(const BatchProblem& problem) const {
    const bool any = std::find(problem.over_union.begin(), problem.over_union.end(), true) != problem.over_union.end();
    return options_.by_union && any && problem.replicas > 1 && !problem.rehearsal;
  }
  BatchPlan Search(const BatchProblem& problem, bool by_union) const {
    auto buckets = SearchBuckets(MakeSearchProblem(problem, options_, by_union), Evaluations(problem));
    if (options_.packed && problem.context != nullptr && !problem.rehearsal) {
      const int pricings = std::max(kLeastPricings, 2 * problem.buckets());
      buckets = PolishPacked(problem, by_union, options_.equal_counts, std::move(buckets), pricings);
    }
    return PlanOfBuckets(problem, LargestFirst(problem, std::move(buckets), by_union ? problem.replicas : 1));
  }
  BatchProblem WithOwnCaps(BatchProblem problem) const {
    if (!options_.memory_cap) problem.caps.clear();
    for (BucketCap& cap : problem.caps) cap.remedy = "; \"memory_cap\": false runs it all the same";
    if (options_.max_tokens && problem.context != nullptr) {
      BucketCap cap{"LLM tokens", {}, static_cast<double>(*options_.max_tokens)};
      for (const SampleShape& sample : problem.context->batch) cap.amounts.push_back(sample.llm_tokens);
      problem.caps.push_back(std::move(cap));
    }
    return problem;
  }

  Options options_;
};

Options ReadOptions(const Parameters& given) {
  Options options;
  options.by_union = given.Word("encoder_bound") == "union";
  options.equal_counts = given.Flag("equal_counts");
  options.memory_cap = given.Flag("memory_cap");
  options.packed = given.Word("costs") == "packed";
  if (given.Given("max_tokens")) options.max_tokens = given.Int("max_tokens");
  if (given.Given("evaluations")) options.evaluations = given.Int("evaluations");
  return options;
}

const Registration<BatchScheduler> kDflop{
    {"dflop",
     "DFLOP's partitioning problem by LPT and exchange search, with unions, caps and packed costs (after arXiv "
     "2603.25120, 3.4)",
     {{.name = "encoder_bound",
       .type = Parameter::Word{{"union", "bucket"}},
       .standard = "union",
       .help =
           "what bounds an encoder with devices of its own: the union that it runs, or each bucket as in the paper"},
      {.name = "equal_counts", .type = Parameter::Flag{}, .standard = false, .help = "as many samples in every bucket"},
      {.name = "memory_cap",
       .type = Parameter::Flag{},
       .standard = true,
       .help = "buckets fit into the devices' memory"},
      {.name = "max_tokens",
       .type = Parameter::Integer{1, 1'000'000'000'000},
       .unit = "LLM tokens",
       .help = "that a microbatch may hold; by default what memory allows"},
      {.name = "costs",
       .type = Parameter::Word{{"packed", "additive"}},
       .standard = "packed",
       .help = "of a bucket as it runs, or the sum over its samples as in the paper"},
      {.name = "evaluations",
       .type = Parameter::Integer{0, 1'000'000'000'000},
       .help = "moves tried by the search; by default 200,000 + 2,000 a sample"}}},
    [](const Parameters& given) { return std::make_unique<DflopBatcher>(ReadOptions(given)); }};

}  // namespace
}  // namespace dflop
