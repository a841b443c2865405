// The data profile on samples few enough to count, and the bootstrap on a scenario in which nothing varies.
#include "experiments/profile/data_profile.hpp"

#include <gtest/gtest.h>

#include "experiments/profile/sample_size.hpp"
#include "experiments/spec/experiment.hpp"
#include "experiments/spec/sweep.hpp"
#include "tests/experiments/small_experiment.hpp"
#include "tests/sim/plan_support.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

TEST(Histogram, CountsEveryValueInItsBin) {
  const Histogram histogram = MakeHistogram({1, 2, 2, 9, 10, 10}, 10);
  EXPECT_EQ(histogram.width, 1);
  EXPECT_EQ(histogram.low, 1);
  EXPECT_EQ(histogram.counts, (std::vector<int>{1, 2, 0, 0, 0, 0, 0, 0, 1, 2}));
}

TEST(Histogram, HasABinForEqualValues) {
  for (const double value : {0.0, 7.0, 0.003}) {
    const Histogram histogram = MakeHistogram({value, value}, 24);
    int sum = 0;
    for (const int count : histogram.counts) sum += count;
    EXPECT_EQ(sum, 2) << value;
  }
}

TEST(DataProfile, HoldsWhatABatchSchedulerSeesOfEverySample) {
  const CostModel cost = SmallJob();
  const SeparateDegrees degrees{{{2, 1, 2}}, {1, 2, 2}, 4, Communicator::kHub};
  const Layout layout = BuildLayout(degrees, cost.model(), cost.cluster());
  const std::vector<SampleShape> samples = {{{1}, 300, 90}, {{4}, 1200, 90}, {{4}, 1200, 90}, {{2}, 900, 90}};
  const DataProfile profile = ProfileData(cost, layout, samples, "by hand");
  ASSERT_EQ(profile.quantities.size(), 4u);
  EXPECT_EQ(profile.quantities[0].values, (std::vector<double>{1, 4, 4, 2}));
  EXPECT_EQ(profile.quantities[2].values, (std::vector<double>{300, 1200, 1200, 900}));
  const BatchProblem problem = MakeBatchProblem(cost, layout, samples);
  EXPECT_EQ(profile.quantities[1].values, problem.module_costs[0]);
  EXPECT_EQ(profile.quantities[3].values, problem.module_costs[1]);
}

TEST(DataProfile, JointCountsAddUpToAllSamples) {
  const CostModel cost = SmallJob();
  const Layout layout = BuildLayout(HomogeneousDegrees{1, 2, 4, 1, 4}, cost.model(), cost.cluster());
  const Json json = ToJson(ProfileData(cost, layout, UnevenSamples(100, 3), "drawn"));
  EXPECT_EQ(json.find("schema")->as<std::string>(), "dflop/data-profile/1");
  const auto& joint = json.find("joint")->as<Json::Array>();
  ASSERT_EQ(joint.size(), 2u);  // tiles × tokens, seconds × seconds
  for (const Json& table : joint) {
    double sum = 0;
    for (const Json& row : table.find("samples")->as<Json::Array>()) {
      for (const Json& count : row.as<Json::Array>()) sum += count.number();
    }
    EXPECT_EQ(sum, 100);
  }
}

struct SampleSize : testing::Test {
  TemporaryFolder folder;
  Experiment experiment = [this] {
    Json small = SmallExperiment();
    WriteAt(small, "/policies/1/layout", "dflop");
    WriteJsonFile(folder / "e.json", small);
    return ReadExperiment(folder / "e.json");
  }();
  const Scenario& scenario = experiment.points.front().scenario;
};

TEST_F(SampleSize, EqualSamplesMakeEveryResampleChooseTheSame) {
  const std::vector<SampleShape> pool(64, SampleShape{{3}, 900, 90});
  const SampleSizeStudy study = StudySampleSize(scenario, scenario.policies.back(), pool, {8, 64}, 5, [] {});
  ASSERT_EQ(study.rows.size(), 2u);
  for (const SampleSizeRow& row : study.rows) {
    EXPECT_EQ(row.same, 1);
    EXPECT_EQ(row.layouts, 1);
    EXPECT_DOUBLE_EQ(row.good, 1);
    EXPECT_EQ(row.mean_regret, 0);
  }
  ASSERT_EQ(study.layouts.size(), 1u);
  EXPECT_EQ(study.layouts[0].times, 10);
  EXPECT_EQ(study.layouts[0].regret, 0);
  EXPECT_EQ(study.Enough(), 8);
}

TEST(SampleSizeStudy, IsEnoughOnlyWhereEveryLargerSizeIsToo) {
  const auto row = [](int samples, double good) {
    SampleSizeRow made;
    made.samples = samples;
    made.good = good;
    return made;
  };
  EXPECT_EQ((SampleSizeStudy{"", {row(64, 0.96), row(128, 0.9), row(256, 0.95), row(512, 1)}, {}}).Enough(), 256);
  EXPECT_EQ((SampleSizeStudy{"", {row(64, 1), row(128, 0.9)}, {}}).Enough(), 0);
}

}  // namespace
}  // namespace dflop
