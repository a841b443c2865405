// Claims on what a run that still goes on shows of its finished units.
#include "experiments/run/partial_store.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "base/json.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

Json RunOf(int seed, double seconds) {
  const std::string text = R"({"scenario": "s", "policy": "p", "seed": )" + std::to_string(seed) +
                           R"(, "metrics": {"iteration_time_s": {"mean": )" + std::to_string(seconds) +
                           R"(}, "samples_per_s": 64.5, "tokens_per_s": 1000, "idle_fraction": 0.25,)"
                           R"( "peak_memory_bytes": 1e9, "fits": true},)"
                           R"( "replica_classes": {"replicas": 8, "classes": 3, "folded": false}})";
  return Json(Json::Array{ParseJson(text, "run")});
}

std::vector<Json> Lines(const std::string& path) {
  std::ifstream file(path);
  std::vector<Json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(ParseJson(line, path));
  return lines;
}

TEST(PartialStore, TellsEveryFinishedUnitInALineAndClearsItAway) {
  const TemporaryFolder folder;
  const PartialStore store(folder.path() + "/partial");
  const std::string first(64, 'a'), second(64, 'b'), third(64, 'c');
  store.Save(first, RunOf(1, 2.5));
  EXPECT_EQ(store.Tell(first, "policy p"),
            "policy p, seed 1: 2.5000 s a step, 64.5 samples/s, replicas 8, different ones 3");
  store.Save(second, RunOf(2, 3.5));
  store.Tell(second, "policy p");
  Json infeasible;
  infeasible["scenario"] = "s";
  infeasible["policy"] = "q";
  infeasible["infeasible"] = "too large";
  store.Save(third, Json(Json::Array{infeasible}));
  EXPECT_EQ(store.Tell(third, "policy q"), "policy q: infeasible");
  const std::vector<Json> lines = Lines(folder.path() + "/partial/finished.jsonl");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].find("iteration_time_s")->number(), 2.5);
  EXPECT_EQ(lines[1].find("seed")->number(), 2);
  EXPECT_EQ(*lines[2].find("infeasible"), Json("too large"));
  store.ForgetTold();
  store.Tell(second, "policy p");
  const std::vector<Json> again = Lines(folder.path() + "/partial/finished.jsonl");
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0], lines[1]);
  store.Clear();
  EXPECT_FALSE(std::filesystem::exists(folder.path() + "/partial"));
}

}  // namespace
}  // namespace dflop
