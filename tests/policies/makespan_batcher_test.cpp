// The batcher that judges by simulated step time, against enumeration and against its own start.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/index.hpp"
#include "policies/api/correction.hpp"
#include "sim/measure/metrics.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

/// A job under a layout, and what batchers make of its batches.
struct BatchedJob {
  CostModel cost = SmallJob(2);
  Layout layout;
  std::vector<DeviceOrder> orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  std::unique_ptr<Engine> engine = MakeReplayEngine();

  explicit BatchedJob(Layout chosen) : layout(std::move(chosen)) {}
  BatchProblem Problem(const std::vector<SampleShape>& batch, const Correction* correction = nullptr) const {
    return MakeBatchProblem(BatchContext{cost, layout, orders, batch, correction});
  }
  double Seconds(const Buckets& buckets, const std::vector<SampleShape>& batch) const {
    return SimulateStep({cost, layout, orders}, {buckets}, batch, *engine).times.makespan.value();
  }
};

Layout Uniform(int pp, int dp, int microbatches) {
  return BuildLayout(HomogeneousDegrees{1, pp, dp, pp > 1 ? 1 : 0, microbatches}, SmallVlm(), A100Nodes(2));
}
Layout Separate(int encoder_dp, int llm_pp, int llm_dp, int microbatches) {
  return BuildLayout(SeparateDegrees{{{1, 1, encoder_dp}}, {1, llm_pp, llm_dp}, microbatches, Communicator::kHub},
                     SmallVlm(), A100Nodes(2));
}

Buckets Planned(const std::string& batcher, const BatchProblem& problem, std::uint64_t seed = 1) {
  RandomStream random(seed, "batching");
  return Plugin<BatchScheduler>(batcher)->Schedule(problem, random).buckets;
}

/// The shortest step over all assignments to numbered buckets, which are all orders of all assignments. Nothing else
/// decides a bucket's time than its place and its samples, whatever their order.
double ShortestPossible(const BatchedJob& job, const std::vector<SampleShape>& batch) {
  const int replicas = job.layout.llm_replicas();
  const int count = replicas * job.layout.microbatches;
  double shortest = HUGE_VAL;
  for (long code = 0; code < std::lround(std::pow(count, batch.size())); ++code) {
    Buckets buckets(Index(replicas), std::vector<std::vector<int>>(Index(job.layout.microbatches)));
    long rest = code;
    for (int i = 0; i < static_cast<int>(batch.size()); ++i, rest /= count) {
      const int bucket = static_cast<int>(rest % count);
      buckets[Index(bucket % replicas)][Index(bucket / replicas)].push_back(i);
    }
    if (WhyInvalid({buckets}, job.layout, static_cast<int>(batch.size())).empty()) {
      shortest = std::min(shortest, job.Seconds(buckets, batch));
    }
  }
  return shortest;
}

const char* const kFromLpt = R"({"name": "makespan", "start": "lpt-2d"})";
const char* const kThorough = R"({"name": "makespan", "start": "lpt-2d", "evaluations": 4000})";

TEST(MakespanBatcher, FindsTheShortestStepOfSmallInstances) {
  const std::vector<Layout> layouts = {Uniform(2, 1, 3), Uniform(4, 1, 3),     Uniform(3, 2, 1),
                                       Uniform(1, 3, 1), Separate(2, 2, 1, 3), Separate(3, 1, 3, 1)};
  int instances = 0;
  int found = 0;
  for (const Layout& layout : layouts) {
    const BatchedJob job(layout);
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      const auto batch = UnevenSamples(4 + static_cast<int>(seed % 4), seed);
      const double best = ShortestPossible(job, batch);
      const double ours = job.Seconds(Planned(kThorough, job.Problem(batch), seed), batch);
      ASSERT_GE(ours, best * (1 - 1e-12)) << layout.name << ", seed " << seed;
      ++instances;
      if (ours <= best * (1 + 1e-12)) ++found;
    }
  }
  RecordProperty("optimal", found);
  EXPECT_GE(found, 0.95 * instances);
}

TEST(MakespanBatcher, IsNeverLongerThanItsStart) {
  for (const Layout& layout : {Uniform(1, 4, 4), Uniform(4, 2, 6), Separate(3, 2, 2, 6), Separate(2, 4, 1, 8)}) {
    const BatchedJob job(layout);
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      const auto batch = UnevenSamples(40, seed);
      const BatchProblem problem = job.Problem(batch);
      for (const char* start : {"lpt-2d", "random", "in-order"}) {
        for (const int evaluations : {0, 1, 10, 300}) {
          const std::string spec = R"({"name": "makespan", "start": ")" + std::string(start) + R"(", "evaluations": )" +
                                   std::to_string(evaluations) + "}";
          const Buckets planned = Planned(spec, problem, seed);
          ASSERT_EQ(WhyInvalid({planned}, layout, 40), "");
          ASSERT_LE(job.Seconds(planned, batch), job.Seconds(Planned(start, problem, seed), batch)) << spec;
        }
      }
    }
  }
}

TEST(MakespanBatcher, ShortensPipelinesOfUnevenBuckets) {
  // 24 samples, one per bucket but for a few: assignment is all but given, so most of the gain is the order's. The
  // figure stands well below what was seen (10.7 % on the mean of these ten batches).
  const BatchedJob job(Uniform(4, 1, 20));
  double gain = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto batch = UnevenSamples(24, seed);
    const BatchProblem problem = job.Problem(batch);
    gain += 1 - job.Seconds(Planned(kFromLpt, problem, seed), batch) / job.Seconds(Planned("lpt-2d", problem), batch);
  }
  EXPECT_GT(gain / 10, 0.07);
}

TEST(MakespanBatcher, DependsOnNothingButProblemAndStream) {
  const BatchedJob job(Separate(3, 2, 2, 6));
  const auto batch = UnevenSamples(40, 3);
  EXPECT_EQ(Planned("makespan", job.Problem(batch), 7), Planned("makespan", job.Problem(batch), 7));
}

TEST(MakespanBatcher, ReturnsTheStartInARehearsal) {
  const BatchedJob job(Uniform(4, 1, 8));
  const auto batch = UnevenSamples(20, 3);
  BatchProblem problem = job.Problem(batch);
  problem.rehearsal = true;
  EXPECT_EQ(Planned(kFromLpt, problem), Planned("lpt-2d", problem));
}

TEST(MakespanBatcher, KeepsTheCapsThatItsStartKeeps) {
  const BatchedJob job(Uniform(4, 2, 4));
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto batch = UnevenSamples(30, seed);
    BatchProblem problem = job.Problem(batch);
    BucketCap cap{"samples", std::vector<double>(batch.size(), 1.0), 0};
    for (const auto& replica : Planned("lpt-2d", problem)) {
      for (const auto& bucket : replica) cap.limit = std::max(cap.limit, static_cast<double>(bucket.size()));
    }
    problem.caps = {cap};
    for (const auto& replica : Planned(kFromLpt, problem, seed)) {
      for (const auto& bucket : replica) ASSERT_LE(static_cast<double>(bucket.size()), cap.limit) << "seed " << seed;
    }
  }
}

TEST(MakespanBatcher, KeepsItsCapOnTokens) {
  // The start's fullest bucket sets a cap that it keeps and that a search for short steps would not.
  const BatchedJob job(Uniform(4, 1, 8));
  const auto batch = UnevenSamples(30, 4);
  const BatchProblem problem = job.Problem(batch);
  const auto most_tokens = [&](const Buckets& buckets) {
    int most = 0;
    for (const auto& bucket : buckets.front()) {
      int tokens = 0;
      for (const int i : bucket) tokens += batch[Index(i)].llm_tokens;
      most = std::max(most, tokens);
    }
    return most;
  };
  const int cap = most_tokens(Planned("lpt-2d", problem));
  const std::string capped = R"({"name": "makespan", "start": "lpt-2d", "max_tokens": )" + std::to_string(cap) + "}";
  EXPECT_LE(most_tokens(Planned(capped, problem)), cap);
  EXPECT_GT(most_tokens(Planned(kFromLpt, problem)), cap);
}

TEST(MakespanBatcher, SaysWhatItCouldNotDo) {
  // No bucket can have a single token, and encoders that are planned apart are not searched.
  const BatchedJob job(Uniform(4, 2, 4));
  const auto batch = UnevenSamples(30, 4);
  RandomStream random(1, "batching");
  const auto note = [&](const std::string& spec) {
    return Plugin<BatchScheduler>(spec)->Schedule(job.Problem(batch), random).note;
  };
  EXPECT_NE(note(R"({"name": "makespan", "start": "lpt-2d", "max_tokens": 1})").find("LLM tokens where 1 may be"),
            std::string::npos);
  EXPECT_NE(note(R"({"name": "makespan", "start": "orchmllm"})").find("leaves a plan with encoders"),
            std::string::npos);
  EXPECT_EQ(note(kFromLpt), "");
}

TEST(MakespanBatcher, FitsIntoMemoryWhereItsStartDoes) {
  // A GPU with just the memory that the start needs: any order that holds larger buckets at the same time is too much.
  const Layout layout = Uniform(4, 1, 12);
  const auto batch = UnevenSamples(20, 6);
  const BatchedJob roomy(layout);
  const auto peak = [&](const CostModel& cost, const Buckets& buckets) {
    return PeakMemory({cost, layout, roomy.orders}, DivideWork({buckets}, layout, cost, batch)).peak;
  };
  const Buckets start = Planned("lpt-2d", roomy.Problem(batch));
  ClusterSpec cluster = A100Nodes(2);
  cluster.only_node().gpu.memory = peak(roomy.cost, start);
  const CostModel tight(SmallVlm(), cluster, BuiltInKernelCosts(cluster.only_node().gpu), {});
  BatchProblem problem = MakeBatchProblem(BatchContext{tight, layout, roomy.orders, batch});
  problem.caps.clear();
  EXPECT_GT(peak(roomy.cost, Planned(kFromLpt, roomy.Problem(batch))), cluster.only_node().gpu.memory);
  const Buckets found = Planned(kFromLpt, problem);
  EXPECT_LE(peak(tight, found), cluster.only_node().gpu.memory);
  EXPECT_LT(roomy.Seconds(found, batch), roomy.Seconds(start, batch));
}

/// Samples of at least so many LLM tokens take longer than predicted.
class SlowLongSamples final : public Correction {
 public:
  double Factor(int module, double tokens) const override { return module == 1 && tokens >= 3000 ? 3.0 : 1.0; }
  bool tracking() const override { return true; }
  double monitoring_cost() const override { return 0; }
  void Observe(const Observation&) override {}
  Json Report() const override { return {}; }
};

TEST(MakespanBatcher, PlansForCorrectedTimes) {
  // On one device per replica the step is the longest replica. Where samples of 3000 tokens or more take three times as
  // long as predicted, plans made without knowing it have to be longer, in corrected time, on the whole.
  const SlowLongSamples correction;
  const BatchedJob job(Uniform(1, 4, 2));
  double knowing = 0;
  double blind = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto batch = UnevenSamples(32, seed);
    const BatchProblem corrected = job.Problem(batch, &correction);
    const auto longest = [&](const Buckets& buckets) {
      double most = 0;
      for (const auto& replica : buckets) {
        double sum = 0;
        for (const auto& bucket : replica) {
          for (const int i : bucket) sum += corrected.costs[0][Index(i)];
        }
        most = std::max(most, sum);
      }
      return most;
    };
    knowing += longest(Planned("makespan", corrected, seed));
    blind += longest(Planned("makespan", job.Problem(batch), seed));
  }
  EXPECT_LT(knowing, 0.9 * blind);
}

TEST(MakespanBatcher, UnknownParametersOfItselfAndItsStartAreErrors) {
  EXPECT_THROW(Plugin<BatchScheduler>(R"({"name": "makespan", "evaluation": 3})"), InputError);
  EXPECT_THROW(Plugin<BatchScheduler>(R"({"name": "makespan", "evaluations": -1})"), InputError);
  EXPECT_THROW(Plugin<BatchScheduler>(R"({"name": "makespan", "start": {"name": "lpt-2d", "key": 3}})"), InputError);
}

}  // namespace
}  // namespace dflop
