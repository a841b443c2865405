// The table of figures and everything that goes by it: no figure may be written that is not read, gathered and shown.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "experiments/results/figure_fields.hpp"
#include "experiments/results/summary.hpp"
#include "experiments/run/point_run.hpp"
#include "experiments/run/result.hpp"
#include "tests/experiments/small_experiment.hpp"
#include "tests/input_error.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

/// Every figure different, from `first` upwards.
RunFigures Distinct(double first) {
  RunFigures figures;
  for (const FigureField& field : FigureFields()) figures.*field.value = first++;
  figures.step_s = {first, first + 1};
  figures.fits = false;
  for (int stage = 0; stage < 2; ++stage) {
    StageMemory& memory = figures.memory.emplace_back();
    memory.module = "llm";
    memory.stage = stage;
    for (const MemoryPart& part : kMemoryParts) memory.*part.bytes = Bytes(first++);
  }
  return figures;
}

RunFigures Read(const Json& metrics) { return ReadRunFigures(JsonReader(metrics, "result.json")); }

/// "mfu", "idle_by_cause/bubble"
std::string PlaceOf(const FigureField& field) {
  return std::string(field.object) + (field.object.empty() ? "" : "/") + std::string(field.key_there());
}

Json RunOf(int seed, const RunFigures& figures) {
  Json run;
  run["scenario"] = "s";
  run["policy"] = "p";
  run["seed"] = seed;
  run["metrics"] = ToJson(figures);
  return run;
}

std::vector<std::string> CellsOf(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream stream(line);
  for (std::string cell; std::getline(stream, cell, ',');) cells.push_back(cell);
  return cells;
}

std::vector<SummaryRow> RowsOf(const Json::Array& runs) {
  Json result;
  result["runs"] = runs;
  return Summarise(JsonReader(result, "result.json"));
}

TEST(RunFigures, SurviveBeingWrittenAndRead) {
  const RunFigures written = Distinct(1.5);
  const RunFigures read = Read(ToJson(written));
  for (const FigureField& field : FigureFields()) EXPECT_EQ(read.*field.value, written.*field.value) << field.name;
  EXPECT_EQ(read.step_s, written.step_s);
  EXPECT_FALSE(read.fits);
  ASSERT_EQ(read.memory.size(), 2u);
  for (std::size_t stage = 0; stage < 2; ++stage) {
    EXPECT_EQ(read.memory[stage].module, "llm");
    EXPECT_EQ(read.memory[stage].stage, static_cast<int>(stage));
    for (const MemoryPart& part : kMemoryParts) {
      EXPECT_EQ(read.memory[stage].*part.bytes, written.memory[stage].*part.bytes) << part.name;
    }
  }
}

TEST(RunFigures, HaveNamesAndPlacesOfTheirOwn) {
  std::set<std::string_view> names;
  std::set<std::string> places;
  for (const FigureField& field : FigureFields()) {
    EXPECT_TRUE(names.insert(field.name).second) << field.name;
    EXPECT_TRUE(places.insert(PlaceOf(field)).second) << field.name;
  }
}

TEST(RunFigures, OfOlderResultsMayLackWhatTheTableSaysAndNothingElse) {
  const Json whole = ToJson(Distinct(1.5));
  for (const FigureField& field : FigureFields()) {
    Json metrics = whole;
    Json& holder = HolderOf(field, metrics);
    const std::string key(field.key_there());
    std::erase_if(holder.as<Json::Object>(), [&](const Json::Member& member) { return member.key == key; });
    if (field.optional) {
      EXPECT_EQ(Read(metrics).*field.value, 0) << field.name;
    } else {
      EXPECT_NE(ErrorOf([&] { Read(metrics); }).find(key), std::string::npos) << field.name;
    }
  }
}

/// Places of all numbers outside arrays: "mfu", "idle_by_cause/bubble".
void CollectNumbers(const Json& object, const std::string& prefix, std::set<std::string>& places) {
  for (const Json::Member& member : object.as<Json::Object>()) {
    if (member.value.is_number()) places.insert(prefix + member.key);
    if (member.value.is<Json::Object>()) CollectNumbers(member.value, prefix + member.key + "/", places);
  }
}

TEST(RunFigures, AreAllTheNumbersThatARunWrites) {
  const std::set<std::string> no_figures = {"speedup_vs/plain"};  // of two runs, not of one
  const TemporaryFolder folder;
  WriteJsonFile(folder / "small.json", SmallExperiment());
  const Experiment experiment = ReadExperiment(folder / "small.json");
  const Point& point = experiment.points.front();
  const Json runs = RunUnit({&experiment, &point, &point.scenario.policies.front(), false});
  Json result = MakeResult(experiment, Json(), runs, {}, "");
  std::set<std::string> expected = no_figures;
  for (const FigureField& field : FigureFields()) {
    if (!field.unless_zero) expected.insert(PlaceOf(field));  // nothing here is context or expert parallel
  }
  for (const Json& run : result["runs"].as<Json::Array>()) {
    std::set<std::string> written;
    CollectNumbers(*run.find("metrics"), "", written);
    EXPECT_EQ(written, expected);
  }
}

TEST(RunFigures, OverSeedsAreMeansAndTheLargestPeakWithItsMemory) {
  RunFigures small = Distinct(1);
  const RunFigures large = Distinct(101);
  small.fits = true;
  const std::vector<RunFigures> seeds = {large, small};
  const RunFigures over = OverSeeds(seeds);
  for (const FigureField& field : FigureFields()) {
    const bool largest = field.over_seeds == OverSeedsRule::kLargest;
    EXPECT_EQ(over.*field.value, large.*field.value - (largest ? 0 : 50)) << field.name;
  }
  EXPECT_FALSE(over.fits);
  EXPECT_EQ(over.memory.front().weights, large.memory.front().weights);
}

TEST(RunFigures, HaveAColumnEachInTheCsvWithTheMeanOverSeeds) {
  const std::vector<SummaryRow> rows = RowsOf({RunOf(1, Distinct(1)), RunOf(2, Distinct(101))});
  const std::string csv = SummaryCsv(rows, {});
  const std::size_t end = csv.find('\n');
  const std::vector<std::string> heading = CellsOf(csv.substr(0, end));
  const std::vector<std::string> cells = CellsOf(csv.substr(end + 1, csv.size() - end - 2) + "end");
  ASSERT_EQ(heading.size(), cells.size()) << csv;
  for (const FigureField& field : FigureFields()) {
    if (!field.in_csv) continue;
    ASSERT_EQ(std::count(heading.begin(), heading.end(), field.name), 1) << field.name;
    const auto column = std::find(heading.begin(), heading.end(), field.name) - heading.begin();
    EXPECT_EQ(cells[static_cast<std::size_t>(column)], ShortestNumber(rows.front().figures.*field.value)) << field.name;
  }
}

TEST(RunFigures, StandInTheSummaryAndTheTableThatTheTableNames) {
  const std::vector<SummaryRow> rows = RowsOf({RunOf(1, Distinct(1))});
  const Json summary = ToJson(rows).as<Json::Array>().front();
  const std::string terminal = SummaryTable(rows, {});
  for (const FigureField& field : FigureFields()) {
    const Json* number = summary.find(field.name);
    EXPECT_EQ(number != nullptr && number->is_number(), field.in_summary) << field.name;
    if (field.terminal == nullptr) continue;
    EXPECT_NE(terminal.find(field.terminal), std::string::npos) << terminal;
  }
}

}  // namespace
}  // namespace dflop
