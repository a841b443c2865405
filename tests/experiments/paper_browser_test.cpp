// The page of a publication's figures as a browser shows it: every mark of the plots, a clause that holds and one that
// fails.
#include <gtest/gtest.h>

#include "experiments/reproduction/paper_page.hpp"
#include "tests/experiments/browser_test.hpp"

namespace dflop {
namespace {

Plot PlotWith(const std::string& title, const PlotAxis& x, std::vector<PlotSeries> series) {
  return {.title = title, .x = x, .y = {.label = "seconds"}, .series = std::move(series)};
}

JudgedFigure FigureWithEveryMark() {
  Plot bars = PlotWith("Bars", {.label = "", .categories = {"llama3-8b", "qwen2.5-32b"}},
                       {{"random-fixed", PlotMark::kBars, {{.x = 0, .y = 2, .half_width = 0.3}, {.x = 1, .y = -1}}},
                        {"dflop", PlotMark::kBars, {{.x = 0, .y = 1}, {.x = 1, .y = 3}}}});
  bars.bands = {{-0.5, 1.5, 1.2, 3.6}};
  bars.band_name = "the paper";
  const Plot lines = PlotWith("Lines", {.label = "nodes", .logarithmic = true},
                              {{"gain", PlotMark::kLine, {{.x = 1, .y = 1}, {.x = 8, .y = 2}, {.x = 32, .y = 1.5}}},
                               {"points", PlotMark::kDots, {{.x = 2, .y = 1.1}, {.x = 4, .y = 1.9}}}});
  const Plot steps = PlotWith("Steps", {.label = "tiles"},
                              {{"video", PlotMark::kSteps, {{.x = 0, .y = 0}, {.x = 1, .y = 5}, {.x = 2, .y = 0}}}});
  const Plot boxes = PlotWith(
      "Boxes", {.label = "", .categories = {"a", "b"}},
      {{"stages", PlotMark::kBoxes, {{.x = 0, .y = 2, .values = {1, 2, 3}}, {.x = 1, .y = 4, .values = {3, 4, 5}}}}});
  JudgedFigure figure;
  figure.figure.AddPlots("fig01", {bars, lines, steps, boxes});
  figure.figure.quantities = {{"a", {2, 0.1}}, {"b", {1, {}}}};
  figure.figure.notes = {"A note."};
  figure.judged =
      Judge({.figure = "fig01",
             .title = "Everything",
             .statement = "It gains.",
             .source = "section 5",
             .set_up = "64 A100.",
             .clauses = {{.says = "a holds", .quantity = "a", .least = 1, .unit = "x", .if_missed = ""},
                         {.says = "b fails", .quantity = "b", .least = 2, .unit = "h", .if_missed = "Why."}}},
            figure.figure.quantities);
  figure.results = {
      {"fig01-x", "dflop run experiments/paper/fig01-x.json", 2, 5, ParseJson(R"({"f.json": "0123"})", "i")}};
  return figure;
}

class PaperBrowserTest : public BrowserTest {};

TEST_P(PaperBrowserTest, FindsNothingWrong) {
  WriteFile(folder_ / "index.html", PaperPage("A paper", {FigureWithEveryMark()}));
  ExpectNothingWrong("index.html", "var withoutTimelines = true;");
}

INSTANTIATE_TEST_SUITE_P(Views, PaperBrowserTest,
                         testing::Values(View{1400, false}, View{800, false}, View{390, false}, View{1400, true},
                                         View{390, true}),
                         ViewName);

}  // namespace
}  // namespace dflop
