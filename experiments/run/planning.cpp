// Every stream is named by what it draws, so policies and clusters of one seed meet the same samples.
#include "experiments/run/planning.hpp"

#include <chrono>

#include "base/error.hpp"
#include "sim/build/deadlock.hpp"

namespace dflop {
namespace {

void CheckBuckets(const Layout& layout, const Scenario& scenario, const PolicySpec& policy) {
  const std::int64_t buckets = std::int64_t{layout.llm_replicas()} * layout.microbatches;
  if (buckets <= scenario.global_batch_size) return;
  throw InputError(policy.file, policy.pointer + "/layout",
                   "makes " + std::to_string(layout.llm_replicas()) + " replicas of " +
                       std::to_string(layout.microbatches) + " microbatches, but a global batch of scenario " +
                       JsonQuote(scenario.name) + " has only " + std::to_string(scenario.global_batch_size) +
                       " samples: some would stay empty");
}

/// Without messages that block, every order of a schedule can be followed.
void CheckDeadlock(const PlannedJob& job, const PolicySpec& policy) {
  if (!job.cost.software().blocking_sends) return;
  const std::string stuck = WhyDeadlocked(job.job());
  if (!stuck.empty()) {
    throw InputError(policy.file, policy.pointer + "/pipeline",
                     "deadlocks where messages between stages block (software.blocking_sends): " + stuck);
  }
}

}  // namespace

PlannedJob PlanJob(const Scenario& scenario, const PolicySpec& policy, std::int64_t seed,
                   const std::function<void(std::size_t done, std::size_t total)>& progress) {
  const std::unique_ptr<LayoutPlanner> planner = policy.MakePlanner();
  const std::unique_ptr<BatchScheduler> batcher = policy.MakeBatcher();
  const std::unique_ptr<PipelineSchedule> schedule = policy.MakeSchedule();
  RandomStream random = PlanningStream(scenario, seed);
  const std::vector<SampleShape> samples = scenario.DrawShapes(random, scenario.planning_samples);
  const std::uint64_t planner_seed = scenario.Stream(seed, "planner").Next();
  PlannedJob job{scenario.MakeCostModel(), {}, {}, 0};
  const auto start = std::chrono::steady_clock::now();
  job.decision =
      planner->Plan({job.cost, scenario.global_batch_size, samples, *batcher, *schedule, planner_seed, progress});
  job.planning_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (job.decision.software) job.cost = job.cost.With(*job.decision.software);
  CheckBuckets(job.decision.layout, scenario, policy);
  job.orders = OrdersOf(*schedule, job.decision.layout);
  job.schedule_note = schedule->note();
  CheckDeadlock(job, policy);
  return job;
}

RandomStream PlanningStream(const Scenario& scenario, std::int64_t seed) { return scenario.Stream(seed, "planning"); }

namespace {

RandomStream BatchStream(const Scenario& scenario, std::int64_t seed, int step) {
  return scenario.Stream(seed, "batch/" + std::to_string(step));
}

}  // namespace

std::vector<SampleShape> DrawBatch(const Scenario& scenario, std::int64_t seed, int step) {
  RandomStream random = BatchStream(scenario, seed, step);
  return scenario.DrawShapes(random, scenario.global_batch_size);
}

std::vector<Sample> DrawRawBatch(const Scenario& scenario, std::int64_t seed, int step) {
  RandomStream random = BatchStream(scenario, seed, step);
  return scenario.DrawSamples(random, scenario.global_batch_size);
}

RandomStream BatchingStream(const Scenario& scenario, std::int64_t seed, int step) {
  return scenario.Stream(seed, "batching/" + std::to_string(step));
}

}  // namespace dflop
