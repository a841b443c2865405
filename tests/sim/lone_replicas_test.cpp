// Claims on replicas that encoders serve alone, against every one of them replayed with all encoders.
#include "sim/measure/lone_replicas.hpp"

#include <gtest/gtest.h>

#include "sim/build/graph_builder.hpp"
#include "sim/engine/engine.hpp"
#include "tests/sim/random_step.hpp"

namespace dflop {
namespace {

double WithAllEncoders(const Job& job, const StepWork& work, const StepCosts& costs) {
  const std::vector<int> replica_of = ReplicaOfGroups(job.layout);
  double idle = 0;
  for (int r = 0; r < job.layout.llm_replicas(); ++r) {
    const OperationGraph graph =
        BuildGraph(job, work, costs, {.communication = kNoCommunication, .couple_replicas = false, .only_replica = r});
    const Seconds makespan = MakeReplayEngine()->Run(graph).makespan;
    for (std::size_t g = 0; g < job.layout.groups.size(); ++g) {
      Seconds busy{0};
      for (const int i : graph.queues[g]) busy += graph.durations[Index(i)];
      const double of_group = ((makespan - busy) * job.layout.groups[g].size).value();
      if (replica_of[g] == r) idle += of_group;
      if (replica_of[g] < 0) idle += of_group / job.layout.llm_replicas();
    }
  }
  return idle;
}

TEST(LoneReplicas, WaitAsLongAsWithAllEncoders) {
  int several = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const RandomStep step = RandomStepMaker(seed).Make();
    if (!step.layout.joins()) continue;
    const CostModel cost(step.model, step.cluster, std::make_shared<FakeKernelCosts>(), step.software);
    const Job job{cost, step.layout, step.orders};
    const StepWork work = DivideWork(step.plan, step.layout, cost, step.batch);
    StepCosts costs = PriceStep(cost, step.layout, work);
    // Of some, no encoder replica bounds another one.
    if (seed % 3 == 0) costs.stages[0].back().forward.time *= 0.5;
    const double expected = WithAllEncoders(job, work, costs);
    EXPECT_NEAR(IdleOfLoneReplicas(job, work, costs), expected, 1e-12 * expected) << "seed " << seed;
    several += step.layout.replicas_of(0) > 1 ? 1 : 0;
  }
  EXPECT_GT(several, 20) << "too few steps had several encoder replicas";
}

}  // namespace
}  // namespace dflop
