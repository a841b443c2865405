// Do the printed 95 % intervals cover? interval_coverage EXPERIMENT.json [SEEDS [REDRAWS [TRUTH]]]
//
// Runs the experiment's first scenario with TRUTH seeds (5,000), whose means are taken for the truth, and with
// REDRAWS × SEEDS (1,000 × 5) further seeds, none of them used twice. Every set of SEEDS makes the intervals that
// `dflop run` would print, by the same functions; the share of sets whose interval holds the truth is the coverage.
// Also printed: how many layouts the truth's seeds chose, and the coverage among sets that are marked (their seeds
// disagree) and among those that are not. Prints a row of Markdown for every figure, for results/statistics/README.md.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "base/text.hpp"
#include "experiments/results/seed_figures.hpp"
#include "experiments/run/point_run.hpp"
#include "experiments/spec/experiment.hpp"

namespace dflop {
namespace {

/// One seed of one policy.
struct SeedRun {
  double step_s;
  std::string layout;
};

std::vector<SeedRun> RunSeeds(const Experiment& experiment, const PolicySpec& policy, std::int64_t count) {
  std::vector<SeedRun> runs;
  for (std::int64_t seed = 0; seed < count; ++seed) {
    const Json of_seed = RunUnit({&experiment, &experiment.points.front(), &policy, false, {seed}});
    SeedFigures figures;
    const JsonReader run(of_seed.as<Json::Array>().front(), experiment.file);
    AddRun(run, ReadRunFigures(run.At("metrics")), figures);
    runs.push_back({figures.step_s.front(), figures.layouts.front()});
  }
  return runs;
}

SeedFigures Figures(const std::vector<SeedRun>& runs, std::size_t first, std::size_t count) {
  SeedFigures figures;
  for (std::size_t i = first; i < first + count; ++i) {
    figures.seeds.push_back(static_cast<std::int64_t>(i));
    figures.step_s.push_back(runs[i].step_s);
    figures.layouts.push_back(runs[i].layout);
  }
  return figures;
}

struct Coverage {
  int sets = 0;
  int covered = 0;
  double half_widths = 0;

  void Add(const SeedInterval& interval, double truth) {
    ++sets;
    half_widths += *interval.half_width;
    if (std::abs(interval.mean - truth) <= *interval.half_width) ++covered;
  }
  std::string Text() const {
    return sets == 0 ? "–" : Fixed(100.0 * covered / sets, 1) + " % of " + std::to_string(sets);
  }
};

/// `interval(first, count)`: of the seeds from `first` on.
template <typename Interval>
void Report(const std::string& what, std::size_t truth, std::size_t seeds, std::size_t redraws, Interval interval) {
  const SeedInterval whole = interval(0, truth);
  Coverage all;
  Coverage marked;
  Coverage unmarked;
  for (std::size_t r = 0; r < redraws; ++r) {
    const SeedInterval drawn = interval(truth + r * seeds, seeds);
    all.Add(drawn, whole.mean);
    (drawn.seeds_agree ? unmarked : marked).Add(drawn, whole.mean);
  }
  std::printf("| %s | %.5g ± %.2g | ± %.3g | %s | %s | %s |\n", what.c_str(), whole.mean, *whole.half_width,
              all.half_widths / all.sets, all.Text().c_str(), unmarked.Text().c_str(), marked.Text().c_str());
}

void Cover(const std::string& path, std::size_t seeds, std::size_t redraws, std::size_t truth) {
  const Experiment experiment = ReadExperiment(path);
  std::map<std::string, std::vector<SeedRun>> runs;
  const std::vector<PolicySpec>& policies = experiment.points.front().scenario.policies;
  for (const PolicySpec& policy : policies) {
    runs[policy.name] = RunSeeds(experiment, policy, static_cast<std::int64_t>(truth + seeds * redraws));
    std::printf("%s, layouts of %zu seeds: %s\n\n", policy.name.c_str(), truth,
                LayoutsText(Figures(runs[policy.name], 0, truth)).c_str());
  }
  std::printf(
      "| figure | truth | %zu seeds, mean | coverage | seeds agree | seeds disagree |\n|---|---|---|---|---|---|\n",
      seeds);
  for (const PolicySpec& policy : policies) {
    const std::vector<SeedRun>& own = runs[policy.name];
    Report("step time of " + policy.name + ", s", truth, seeds, redraws,
           [&](std::size_t first, std::size_t count) { return StepTime(Figures(own, first, count)); });
    for (const std::string& baseline : experiment.baselines) {
      if (baseline == policy.name) continue;
      Report("speedup of " + policy.name + " over " + baseline, truth, seeds, redraws,
             [&](std::size_t first, std::size_t count) {
               return SpeedupOver(Figures(runs[baseline], first, count), Figures(own, first, count));
             });
    }
  }
}

}  // namespace
}  // namespace dflop

int main(int argc, char** argv) {
  const auto argument = [&](int i, std::size_t otherwise) {
    return argc > i ? static_cast<std::size_t>(std::strtoul(argv[i], nullptr, 10)) : otherwise;
  };
  if (argc < 2 || argument(2, 5) < 2) {
    std::fprintf(stderr, "usage: interval_coverage EXPERIMENT.json [SEEDS, at least 2 [REDRAWS [TRUTH]]]\n");
    return 2;
  }
  try {
    dflop::Cover(argv[1], argument(2, 5), argument(3, 1000), argument(4, 5000));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
