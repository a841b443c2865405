// GPUs that are slower than their kind, as the cluster says: what works with them waits, and batchers know.
#include <gtest/gtest.h>

#include "sim/plan/layout.hpp"
#include "tests/input_error.hpp"
#include "tests/models/model_test_support.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

ClusterSpec ClusterFrom(const std::string& text) {
  const Json json = ParseJson(text, "cluster.json");
  return ReadCluster(JsonReader(json, "cluster.json"));
}

TEST(SlowGpus, ATensorParallelGroupGoesAtThePaceOfItsSlowest) {
  // Two replicas of two GPUs; GPU 3 at a quarter: the second replica takes four times as long.
  ClusterSpec cluster = TestCluster();
  cluster.SetSpeed(3, 0.25);
  const Priced priced(GptModel(1024, 4, 16, 1000), {}, cluster);
  const Layout layout = BuildLayout(HomogeneousDegrees{.tp = 2, .dp = 2}, priced.cost.model(), cluster);
  EXPECT_EQ(SpeedOf(layout.stages[0], layout, cluster), 1);
  EXPECT_EQ(SpeedOf(layout.stages[1], layout, cluster), 0.25);
  const StepWork work = TinyWork(priced.cost, layout);
  const StepCosts costs = PriceStep(priced.cost, layout, work);
  EXPECT_DOUBLE_EQ(costs.stages[1][0].forward.time.value(), 4 * costs.stages[0][0].forward.time.value());
  EXPECT_DOUBLE_EQ(costs.optimizer[1].value(), 4 * costs.optimizer[0].value());
  // Equal work, yet no equal replicas.
  EXPECT_EQ(ReplicaClassesOf(priced.cost, layout, work).size(), 2u);
  const auto batch = std::vector<SampleShape>(4, {{}, 500, 500});
  EXPECT_EQ(MakeBatchProblem(priced.cost, layout, batch, nullptr).pace, (std::vector<double>{0.25, 1}));
}

TEST(SlowGpus, AreReadAndWrittenWithTheCluster) {
  const ClusterSpec cluster =
      ClusterFrom(R"({"name": "dgx-h100", "nodes": 2, "device_speed": [{"gpu": 9, "speed": 0.8}]})");
  EXPECT_EQ(cluster.SlowestSpeed(8, 8), 0.8);
  EXPECT_EQ(cluster.SlowestSpeed(0, 9), 1);
  EXPECT_EQ(ClusterFrom(ToJson(cluster).Dump()).SlowestSpeed(9, 1), 0.8);
  EXPECT_FALSE(ClusterFrom(R"({"name": "dgx-h100", "nodes": 2})").has_slow_gpus());
  const auto error = [](const std::string& entry) {
    return ErrorOf([&] { ClusterFrom(R"({"name": "dgx-h100", "nodes": 2, "device_speed": [)" + entry + "]}"); });
  };
  EXPECT_EQ(error(R"({"gpu": 16, "speed": 0.8})").substr(0, 21), "/device_speed/0/gpu: ");
  EXPECT_EQ(error(R"({"gpu": 1, "speed": 0})").substr(0, 23), "/device_speed/0/speed: ");
  EXPECT_EQ(error(R"({"gpu": 1, "speed": 1.5})").substr(0, 23), "/device_speed/0/speed: ");
  EXPECT_EQ(error(R"({"gpu": 1, "speed": 0.5}, {"gpu": 1, "speed": 0.6})"),
            "/device_speed/1/gpu: cluster.json:/device_speed/1/gpu: has a speed already");
}

}  // namespace
}  // namespace dflop
