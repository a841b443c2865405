// The model profiles that a result keeps: once for all points that share them, and what the cost model says.
#include <gtest/gtest.h>

#include "experiments/results/result_figures.hpp"
#include "experiments/run/result.hpp"
#include "models/model_profile.hpp"
#include "tests/experiments/small_experiment.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

TEST(StoredProfiles, AreSharedByThePointsThatTheyHoldAt) {
  // Neither nodes nor batch size change a curve, recomputation does: 2 profiles for 2 × 2 × 2 points.
  const TemporaryFolder folder;
  Json small = SmallExperiment();
  small["sweep"] = ParseJson(
      R"({"/cluster/nodes": [1, 2], "/recompute": ["none", "full"], "/global_batch_size": [8, 16]})", "sweep");
  WriteJsonFile(folder / "e.json", small);
  const Experiment experiment = ReadExperiment(folder / "e.json");
  WriteJsonFile(folder / "result.json", MakeResult(experiment, {}, Json::EmptyArray(), {}, "dflop run e.json"));
  const std::vector<StoredProfile> stored = ReadReport(folder.path()).profiles;
  ASSERT_EQ(stored.size(), 2u);
  const std::size_t first_with[] = {0, 2};  // points 0, 1, 4, 5 recompute nothing, 2, 3, 6, 7 everything
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(stored[i].points, 4);
    EXPECT_EQ(stored[i].gpu, "a100-sxm-80gb");
    const Scenario& scenario = experiment.points[first_with[i]].scenario;
    EXPECT_EQ(ToJson(stored[i].profile), ToJson(ProfileModel(scenario.MakeCostModel())));
  }
  EXPECT_EQ(stored[1].place, "tiny · cluster/nodes 1, recompute full, global_batch_size 8");
}

}  // namespace
}  // namespace dflop
