// A publication's statements held against stored results: bounds decide, and what is missing is named.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <set>

#include "base/file.hpp"
#include "experiments/reproduction/figures.hpp"
#include "experiments/reproduction/paper_page.hpp"
#include "experiments/reproduction/statements.hpp"
#include "experiments/reproduction/verdict.hpp"
#include "test_paths.hpp"
#include "tests/input_error.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

Clause Within(double least, double most, const std::string& quantity = "gain") {
  return {.says = "gain of " + quantity,
          .quantity = quantity,
          .least = least,
          .most = most,
          .unit = "x",
          .if_missed = "because"};
}

Statement Stating(const std::vector<Clause>& clauses) {
  return {.figure = "fig07a",
          .title = "Gains",
          .statement = "It gains.",
          .source = "5.2",
          .set_up = "None.",
          .clauses = clauses};
}

TEST(VerdictTest, DistanceIsCountedFromTheNearerBound) {
  // 3.3 lies (3.3 − 1.2)/1.2 = 175 % above the lower and (3.6 − 3.3)/3.6 = 8.33 % below the upper bound.
  const JudgedStatement judged = Judge(Stating({Within(1.2, 3.6)}), {{"gain", {3.3, 0.2}}});
  EXPECT_EQ(judged.verdict(), "holds");
  EXPECT_NEAR(judged.clauses[0].distance, 0.3 / 3.6, 1e-12);
  EXPECT_FALSE(judged.clauses[0].within_interval) << "the bound is 0.3 away, the interval 0.2";
}

TEST(VerdictTest, OneClauseThatFailsLeavesAPart_AllOfThemNothing) {
  const Quantities quantities = {{"a", {1.0, {}}}, {"b", {4.0, 0.5}}};
  const Clause good = Within(0.5, 2, "a"), bad = Within(1.2, 3.6, "b");
  const JudgedStatement part = Judge(Stating({good, bad}), quantities);
  EXPECT_EQ(part.verdict(), "holds in part");
  EXPECT_EQ(part.failing(), "1 of 2 clauses fails: gain of b");
  EXPECT_TRUE(part.clauses[1].within_interval) << "4 ± 0.5 holds 3.6";
  EXPECT_EQ(Judge(Stating({bad}), quantities).verdict(), "does not hold");
}

TEST(VerdictTest, ABoundOfZeroGivesAPlainDistance) {
  Clause clause{.says = "net", .quantity = "net", .most = 0.0, .unit = "%", .if_missed = ""};
  const JudgedStatement judged = Judge(Stating({clause}), {{"net", {0.02, {}}}});
  EXPECT_FALSE(judged.clauses[0].holds);
  EXPECT_EQ(DistanceText(judged.clauses[0]), "2 % above");
  EXPECT_EQ(BoundText(clause), "≤ 0 %");
}

TEST(VerdictTest, AValueAtItsBoundHolds) {
  const JudgedStatement judged = Judge(Stating({Within(1.2, 3.6)}), {{"gain", {1.2, {}}}});
  EXPECT_TRUE(judged.clauses[0].holds);
  EXPECT_EQ(DistanceText(judged.clauses[0]), "at the bound");
}

TEST(VerdictTest, WhatIsNoNumberIsNeverJudged) {
  ExpectError(ErrorOf([] { Judge(Stating({Within(1, 2)}), {{"gain", {std::nan(""), {}}}}); }), "is no finite number");
  ExpectError(ErrorOf([] { Judge(Stating({Within(1, 2)}), {{"gain", {HUGE_VAL, {}}}}); }), "is no finite number");
}

TEST(VerdictTest, AClauseWithoutItsQuantityIsAnError) {
  ExpectError(ErrorOf([] {
                Judge(Stating({Within(1, 2, "missing")}), {{"gain", {1, {}}}});
              }),
              "there is no quantity \"missing\" to judge by, there are: gain");
}

class StatementsTest : public ::testing::Test {
 protected:
  std::string File(const std::string& clause) const {
    WriteFile(folder_ / "s.json",
              R"({"schema": "dflop/statements/1", "source": "S", "figures": [{"figure": "fig1", "title": "T",
                  "statement": "X", "source": "1", "set_up": "Y", "clauses": [)" +
                  clause + "]}]}");
    return folder_ / "s.json";
  }
  TemporaryFolder folder_;
};

TEST_F(StatementsTest, AMisspeltBoundIsNoClauseThatAlwaysHolds) {
  ExpectError(ErrorOf([&] { ReadStatements(File(R"({"says": "a", "quantity": "q", "leats": 1})")); }), "leats");
  ExpectError(ErrorOf([&] { ReadStatements(File(R"({"says": "a", "quantity": "q"})")); }),
              "/figures/0/clauses/0: has neither \"least\" nor \"most\"");
  ExpectError(ErrorOf([&] { ReadStatements(File(R"({"says": "a", "quantity": "q", "least": 2, "most": 1})")); }),
              "is below \"least\"");
  ExpectError(ErrorOf([&] { ReadStatements(File("")); }), "is empty");
}

TEST_F(StatementsTest, LabelsAreThoseOfThePaper) {
  EXPECT_EQ(Stating({}).label(), "Fig. 7a");
  Statement table = Stating({});
  table.figure = "table4";
  EXPECT_EQ(table.label(), "Table 4");
  table.figure = "entrain";
  EXPECT_EQ(table.label(), "entrain");
}

// Of three figures one stands on two seeds where its experiment asks for five.
TEST(PaperPageTest, FewerSeedsThanAskedForAreSaidFirst) {
  std::vector<JudgedFigure> figures(3);
  figures[0].results = {{.experiment = "whole", .command = "", .seeds = 5, .seeds_wanted = 5, .inputs = {}}};
  EXPECT_EQ(QuickNotice(figures), "");
  figures[1].results = {figures[0].results[0],
                        {.experiment = "short", .command = "", .seeds = 2, .seeds_wanted = 5, .inputs = {}}};
  ExpectError(QuickNotice(figures), "1 of 3 figures");
  ExpectError(QuickNotice(figures), "down to 2.");
}

// Every maker has its statement and every statement of the paper its maker: nothing is drawn that is not judged.
TEST(PaperTest, StatementsAndMakersAreTheSameFigures) {
  std::set<std::string> stated, made;
  for (const Statement& statement : ReadStatements(DFLOP_SOURCE_DIR "/experiments/paper/statements.json").figures) {
    stated.insert(statement.figure);
  }
  for (const FigureMaker& maker : FigureMakers()) {
    made.insert(std::string(maker.figure));
    for (const std::string_view experiment : maker.experiments) {
      EXPECT_TRUE(std::filesystem::exists(DFLOP_SOURCE_DIR "/experiments/paper/" + std::string(experiment) + ".json"));
    }
  }
  EXPECT_EQ(stated, made);
}

/// Two policies whose steps take 4 s and 2 s, two seeds.
class StoredResultsTest : public ::testing::Test {
 protected:
  static std::string RunText(const std::string& policy, int seed, double seconds) {
    const std::string s = std::to_string(seconds);
    return R"({"scenario": "one", "policy": ")" + policy + R"(", "seed": )" + std::to_string(seed) +
           R"(, "layout": {"name": "x", "gpus_used": 1}, "metrics": {"iteration_time_s": {"mean": )" + s +
           R"(, "per_step": [)" + s +
           R"(]}, "samples_per_s": 1, "tokens_per_s": 1, "tflops_per_gpu": 1, "mfu": 0.1, "idle_fraction": 0.25,
              "idle_by_cause": {"bubble": 0.25, "imbalance": 0, "data_parallel_wait": 0, "communication": 0},
              "balance_gap": 0, "planning_time_s": 0, "planning_exposed_s": 0, "peak_memory_bytes": 1, "fits": true,
              "memory_by_stage": [], "extrapolated_fraction": 0}})";
  }
  void Write(const std::string& runs) const {
    WriteFile(folder_ / "peer/result.json",
              R"({"schema": "dflop/result/1", "experiment": "peer", "baselines": ["slow"], "runs": [)" + runs + "]}");
  }
  StoredResults Results() const { return {folder_.path(), "experiments/peers"}; }
  TemporaryFolder folder_;
};

TEST_F(StoredResultsTest, AGainIsTheRatioOfMeanStepTimes) {
  // (4 + 5) s over (2 + 2.5) s is 2 with both seeds, whatever their order in the file.
  Write(RunText("slow", 1, 4) + "," + RunText("slow", 2, 5) + "," + RunText("fast", 2, 2.5) + "," +
        RunText("fast", 1, 2));
  const ReproducedFigure figure = MakeFigure("peer", Results());
  ASSERT_TRUE(figure.quantities.contains("gain.one.fast.over.slow"));
  EXPECT_NEAR(figure.quantities.at("gain.one.fast.over.slow").mean, 2, 1e-12);
  EXPECT_NE(figure.csv.find("Step time,slow,one,4.5,"), std::string::npos) << figure.csv;
}

TEST_F(StoredResultsTest, SeedsArePairedByTheirNumberAndNotByTheirPlace) {
  // Seed 2 alone ran under both: 5 s over 2.5 s.
  Write(RunText("slow", 1, 4) + "," + RunText("slow", 2, 5) + "," + RunText("fast", 2, 2.5) + "," +
        RunText("fast", 3, 9));
  const StoredResults results = Results();
  const PointFigures& point = PointOf(results.Get("peer"), "one");
  const auto seconds = [](const RunFigures& seed) { return seed.iteration_time_s; };
  EXPECT_EQ(PairedSeeds(FiguresOf(point, "slow"), FiguresOf(point, "fast")).size(), 1U);
  EXPECT_NEAR(PairedRatio(FiguresOf(point, "slow"), FiguresOf(point, "fast"), seconds).mean, 2, 1e-12);
}

TEST_F(StoredResultsTest, WhatIsMissingIsNamedWithTheCommandThatMakesIt) {
  ExpectError(ErrorOf([&] { MakeFigure("peer", Results()); }),
              "peer/result.json is missing; it is made by: dflop run experiments/peers/peer.json --out");
  WriteFile(folder_ / "peer/result.json", R"({"schema": "dflop/result/0"})");
  const std::string older = ErrorOf([&] { MakeFigure("peer", Results()); });
  ExpectError(older, "/schema");
  ExpectError(older, "Make it again: dflop run experiments/peers/peer.json --out");
  Write(RunText("slow", 1, 4));
  ExpectError(ErrorOf([&] { PictureOf(Results().Get("peer"), "one", "slow"); }), "no timeline of one, slow is stored");
  ExpectError(ErrorOf([&] { PointOf(Results().Get("peer"), "two"); }), "has no scenario \"two\"");
}

TEST_F(StoredResultsTest, PageAndReadmeSayTheSameVerdictAndWhyItFails) {
  Write(RunText("slow", 1, 4) + "," + RunText("fast", 1, 2));
  ReproducedFigure figure = MakeFigure("peer", Results());
  Statement statement = Stating({Within(3, 4, "gain.one.fast.over.slow")});
  const JudgedStatement judged = Judge(statement, figure.quantities);
  const std::vector<JudgedFigure> figures = {
      {judged, figure, {{"peer", "dflop run peer.json", 1, 1, Json::EmptyObject()}}}};
  for (const std::string& text : {PaperPage("S", figures), PaperReadme("S", figures, "c")}) {
    EXPECT_NE(text.find("does not hold"), std::string::npos);
    EXPECT_NE(text.find("because"), std::string::npos);
    EXPECT_NE(text.find("33 % below"), std::string::npos) << "2 is a third below 3";
  }
  EXPECT_EQ(Tally(figures), "0 of 1 hold, 0 in part, 1 do not");
  const Json verdicts = VerdictsJson("S", figures);
  EXPECT_EQ(verdicts.find("figures")->as<Json::Array>().front().find("verdict")->as<std::string>(), "does not hold");
}

TEST(PlotTest, TheTableHoldsEveryPointByTheNameOfItsCategory) {
  const Plot plot{.title = "A, B",
                  .x = {.label = "", .categories = {"one", "two"}},
                  .y = {.label = "s"},
                  .series = {{"bars", PlotMark::kBars, {{.x = 0, .y = 1.5}, {.x = 1, .y = 2, .half_width = 0.25}}}}};
  EXPECT_EQ(PlotCsv(std::vector<Plot>{plot}),
            "panel,series,x,y,half_width\n\"A, B\",bars,one,1.5,\n\"A, B\",bars,two,2,0.25\n");
}

TEST(PlotTest, WhatALogarithmicAxisDoesNotKnowIsLeftOut) {
  const Plot plot{.title = "T",
                  .x = {.label = "x", .logarithmic = true},
                  .y = {.label = "y", .logarithmic = true},
                  .series = {{"s", PlotMark::kDots, {{.x = 0, .y = 1}, {.x = 1, .y = -1}, {.x = 10, .y = 10}}}}};
  const std::string text = DrawPlot(plot).Inline();
  EXPECT_EQ(text.find("nan"), std::string::npos);
  EXPECT_EQ(text.find("inf"), std::string::npos);
  EXPECT_NE(text.find("s, 10: 10"), std::string::npos);
  EXPECT_EQ(text.find("s, 1: -1"), std::string::npos);
}

}  // namespace
}  // namespace dflop
