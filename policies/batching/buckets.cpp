// buckets: runs batch plans that were decided elsewhere, such as by the CP-SAT program of DFLOP's release, so that its
// system can decide on our costs and see its step.
//
// "file" names a dflop/buckets/1 document (sim/plan/buckets_file.hpp): for every seed and step the sample indices of
// every bucket, bucket j being microbatch j div L_dp of LLM replica j mod L_dp. The layout has to be the one they were
// made for; what a planner asks about its own planning batches, which no file knows, lpt-2d answers.
#include "policies/api/registry.hpp"
#include "policies/batching_search/batch_checks.hpp"
#include "policies/batching_search/equal_counts.hpp"
#include "policies/batching_search/ilp_fallback.hpp"
#include "sim/plan/buckets_file.hpp"

namespace dflop {
namespace {

class BucketsBatcher final : public BatchScheduler {
 public:
  explicit BucketsBatcher(const JsonReader& json) : file_(json.At("file")) {}

  BatchPlan Schedule(const BatchProblem& problem, RandomStream& random) override {
    CheckBatch(problem);
    if (problem.rehearsal) return LptPlan(problem, random);
    return PlanOfBuckets(problem, file_.At(problem.seed, problem.step, problem.buckets(), problem.samples()));
  }

 private:
  BucketsFile file_;
};

const Registration<BatchScheduler> kBuckets{
    {"buckets",
     "given buckets: a file of sample indices per seed, step and bucket, as DFLOP's release or any solver decides them",
     {{.name = "file", .type = Parameter::Other{"file"}, .help = "a dflop/buckets/1 document; must be given"}}},
    [](const Parameters& given) { return std::make_unique<BucketsBatcher>(given.json()); }};

}  // namespace
}  // namespace dflop
