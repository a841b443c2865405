// Figures of a comparison, worked out by hand.
#include <gtest/gtest.h>

#include "base/csv.hpp"
#include "experiments/published_runs/error_charts.hpp"
#include "experiments/published_runs/error_summary.hpp"
#include "test_paths.hpp"
#include "tests/input_error.hpp"
#include "tests/program_test.hpp"

namespace dflop {
namespace {

PredictedRun Predicted(double measured_s, double predicted_s, const std::string& group = "") {
  PredictedRun run;
  run.run.file = "f";
  run.run.scenario = "s" + ShortestNumber(measured_s);
  run.run.source = "S";
  run.run.kind = "dense";
  run.run.group = group;
  run.run.gpu = "H100-SXM-80GB";
  run.run.step_time_s = measured_s;
  run.run.gpu_memory_bytes = 100;
  run.predicted_s = predicted_s;
  return run;
}

TEST(RankOrder, TiesCountAsNothingAndClosePairsAreLeftOut) {
  // Measured 1, 1.01, 2, 3: of six pairs the first is closer than 2 %. Predicted 1, 5, 5, 4:
  // (1, 2) right, (1, 3) right; (1.01, 2) tied, (1.01, 3) wrong; (2, 3) wrong. τ = (2 − 2) / 5.
  const PairCount count = CountPairs({{1, 1}, {1.01, 5}, {2, 5}, {3, 4}});
  EXPECT_EQ(count.close, 1u);
  EXPECT_EQ(count.pairs, 5u);
  EXPECT_EQ(count.right, 2u);
  EXPECT_EQ(count.tied, 1u);
  EXPECT_EQ(count.wrong, 2u);
  EXPECT_DOUBLE_EQ(count.tau(), 0);
  // 2 % sharp is close too, and order does not matter.
  EXPECT_EQ(CountPairs({{1.02, 1}, {1, 2}}).close, 1u);
  EXPECT_DOUBLE_EQ(CountPairs({{1, 1}, {2, 2}}).tau(), 1);
  EXPECT_DOUBLE_EQ(CountPairs({{2, 1}, {1, 2}}).tau(), -1);
}

TEST(ErrorSummary, MeanMedianAndPercentileFollowFromTheErrors) {
  // Errors −0.5, −0.1, 0.2, 0.4: mean of absolutes 1.2 / 4 = 0.3, median (−0.1 + 0.2) / 2 = 0.05. Absolutes sorted
  // 0.1, 0.2, 0.4, 0.5: the 90 % point stands at 0.9 · 3 = 2.7 of them, 0.4 + 0.7 · 0.1 = 0.47.
  std::vector<PredictedRun> runs = {Predicted(10, 5), Predicted(20, 18), Predicted(5, 6), Predicted(10, 14)};
  runs.push_back(Predicted(7, 1));
  runs.back().predicted_s.reset();  // counts as a row, not as an error
  runs[0].fits = false;
  runs[0].peak_memory_bytes = 102;  // too large by 2 %
  runs[1].fits = false;
  runs[1].peak_memory_bytes = 104;
  runs[2].run.proxy = "something";
  const ErrorTables tables = Summarize(runs);
  ASSERT_EQ(tables.sources.size(), 2u);  // the source, and all
  const ErrorSummary& summary = tables.sources.front();
  EXPECT_EQ(summary.rows, 5u);
  EXPECT_EQ(summary.predicted, 4u);
  EXPECT_NEAR(summary.mean_absolute, 0.3, 1e-12);
  EXPECT_NEAR(summary.median, 0.05, 1e-12);
  EXPECT_NEAR(summary.p90_absolute, 0.47, 1e-12);
  EXPECT_EQ(summary.exact, 4u);
  EXPECT_EQ(summary.too_large, 2u);
  EXPECT_EQ(summary.much_too_large, 1u);
}

TEST(ErrorSummary, OrderIsJudgedWithinGroupsAndPooledOverThem) {
  // Group a: right. Group b: one wrong. Between groups and without one nothing is compared: τ of both (1 − 1) / 2.
  const std::vector<PredictedRun> runs = {Predicted(1, 1, "a"), Predicted(2, 2, "a"), Predicted(3, 9, "b"),
                                          Predicted(4, 8, "b"), Predicted(5, 1)};
  const ErrorTables tables = Summarize(runs);
  EXPECT_EQ(tables.sources.front().pairs.pairs, 2u);
  EXPECT_EQ(tables.sources.front().pairs.wrong, 1u);
  EXPECT_EQ(tables.sources.front().groups, 2u);
  EXPECT_DOUBLE_EQ(tables.sources.front().pairs.tau(), 0);
  ASSERT_EQ(tables.groups.size(), 2u);
  EXPECT_DOUBLE_EQ(tables.groups[0].pairs.tau(), 1);
  EXPECT_DOUBLE_EQ(tables.groups[1].pairs.tau(), -1);
}

TEST(ErrorSummary, ClassesAreNeverMixed) {
  std::vector<PredictedRun> runs = {Predicted(1, 2), Predicted(1, 1)};
  runs[1].run.kind = "experts";
  const ErrorTables tables = Summarize(runs);
  ASSERT_EQ(tables.sources.size(), 4u);
  EXPECT_EQ(tables.sources[0].kind, "dense");
  EXPECT_DOUBLE_EQ(tables.sources[1].mean_absolute, 1);
  EXPECT_EQ(tables.sources[2].kind, "experts");
  EXPECT_DOUBLE_EQ(tables.sources[3].mean_absolute, 0);
}

TEST(ErrorCharts, EveryPredictedRunIsADotInEveryPicture) {
  std::vector<PredictedRun> runs = {Predicted(1, 2), Predicted(10, 9)};
  runs[0].run.gpus = 64;
  runs.push_back(Predicted(3, 1));
  runs.back().predicted_s.reset();
  const auto dots = [](const Svg& svg) {
    std::size_t count = 0;
    const std::string text = svg.Inline();
    for (std::size_t at = text.find(", measured "); at != text.npos; at = text.find(", measured ", at + 1)) ++count;
    return count;
  };
  EXPECT_EQ(dots(PredictedChart(runs)), 2u);
  EXPECT_EQ(dots(ErrorsBySourceChart(runs)), 2u);
  EXPECT_EQ(dots(ErrorsByGpusChart(runs)), 2u);
  EXPECT_EQ(dots(ErrorsByDegreesChart(runs)), 6u);  // three panels
  EXPECT_EQ(dots(ErrorsByDegreesChart({})), 0u);
}

class PublishedComparison : public ProgramTest {};

TEST_F(PublishedComparison, ImportedRunsArePredictedAndCompared) {
  // Two rows of one small model on one node that differ in the layout alone.
  WriteFile(folder_ / "v.csv",
            "gpus,global_batch,micro_batch,hidden,heads,layers,seq,tp,dp,pp,measured_s\n"
            "4,8,2,1024,16,8,1024,2,1,2,0.25\n4,8,2,1024,16,8,1024,4,1,1,0.5\n");
  ASSERT_EQ(Shell(DFLOP_BINARY " published import v.csv --out in").code, 0);
  EXPECT_EQ(Shell(DFLOP_BINARY " published compare in --results res --out cmp").code, 2);  // nothing has run
  ASSERT_EQ(Shell(DFLOP_BINARY " run in/vtrain-one-node.json --out res/vtrain-one-node --no-report --trace none "
                               "--quiet")
                .code,
            0);
  const Outcome outcome = Shell(DFLOP_BINARY " published compare in --results res --out cmp --json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json json = ParseJson(outcome.out, "compare");
  const Json& first = json.find("sources")->as<Json::Array>().front();
  EXPECT_EQ(*first.find("predicted"), Json(2));
  EXPECT_EQ(*first.find("pairs"), Json(1));
  const CsvTable errors = ReadCsv(folder_ / "cmp/errors.csv");
  ASSERT_EQ(errors.rows.size(), 2u);
  const double predicted = errors.Number(0, errors.Column("predicted_s"), 1e-6);
  EXPECT_NEAR(errors.Number(0, errors.Column("error")), predicted / 0.25 - 1, 1e-9);
  EXPECT_TRUE(Says(ReadFile(folder_ / "cmp/table.md"), "vTrain, one node"));
  EXPECT_TRUE(Says(ReadFile(folder_ / "cmp/figures/error-by-degrees.svg"), "<svg"));
}

TEST_F(PublishedComparison, TheScriptWantsAFolderWithTables) {
  const Outcome outcome = Shell(DFLOP_SOURCE_DIR "/experiments/published.sh nowhere");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_TRUE(Says(outcome.err, "there is no published_runs.csv"));
}

}  // namespace
}  // namespace dflop
