// Figs. 13 and 14: idle time against what 1F1B implies, and the rate of every stage while it computes.
#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.hpp"
#include "base/text.hpp"
#include "experiments/profile/data_profile.hpp"
#include "experiments/reproduction/figures.hpp"
#include "experiments/reproduction/gain_plots.hpp"

namespace dflop {
namespace {

/// Depth of the pipeline and microbatches of a replica, of one seed's plan.
struct PipelineShape {
  int stages = 0;
  int microbatches = 0;

  /// Idle time over ideal compute time for equal microbatches (arXiv 2603.25120, 5.3.5, after Megatron-LM).
  double ideal_idle() const { return (stages - 1.0) / microbatches; }
};

/// Modules that share their devices are one pipeline, others follow each other.
PipelineShape ShapeOf(const JsonReader& layout) {
  constexpr int kMost = 1 << 20;
  PipelineShape shape;
  std::set<std::int64_t> first_gpus;
  int deepest = 0;
  for (const JsonReader& module : layout.At("modules").Elements()) {
    const int stages = static_cast<int>(module.At("pp").Int(1, kMost));
    shape.stages += stages;
    deepest = std::max(deepest, stages);
    shape.microbatches = std::max(shape.microbatches, static_cast<int>(module.At("microbatches").Int(1, kMost)));
    first_gpus.insert(module.At("devices").Element(0).At("first_gpu").Int(0, std::int64_t{1} << 40));
  }
  if (first_gpus.size() == 1) shape.stages = deepest;
  return shape;
}

/// Of every seed.
Interval IdealIdle(const StoredResults& results, const std::string& experiment, const std::string& policy) {
  const std::string path = results.Folder(experiment) + "/result.json";
  const Json document = ReadJsonFile(path);
  std::vector<double> ideal;
  for (const JsonReader& run : JsonReader(document, path).At("runs").Elements()) {
    if (run.At("policy").String() == policy && run.Has("layout"))
      ideal.push_back(ShapeOf(run.At("layout")).ideal_idle());
  }
  if (ideal.empty()) throw InputError(path + ": has no run of \"" + policy + "\"");
  return MeanInterval(ideal);
}

/// Idle over busy time: what the paper's ideal is of.
Interval RealIdle(const PolicyFigures& policy) {
  return OverSeedsOf(policy, [](const RunFigures& seed) { return seed.idle_fraction / (1 - seed.idle_fraction); });
}

PlotSeries BarSeries(const std::string& name, const std::vector<Interval>& values) {
  PlotSeries series{name, PlotMark::kBars, {}};
  for (const Interval& value : values) {
    series.points.push_back({.x = static_cast<double>(series.points.size()),
                             .y = 100 * value.mean,
                             .half_width = value.half_width ? std::optional(100 * *value.half_width) : std::nullopt});
  }
  return series;
}

/// TFLOP/s per GPU of every stage while it computes, its replicas together.
std::vector<double> RatesOf(const StepPicture& picture) {
  std::map<int, double> flops, gpu_seconds;  // by depth in the pipeline
  for (const PictureStage& stage : picture.stages) {
    if (stage.hardware_flops <= 0) {
      throw InputError("the timeline does not say how many FLOPs its stages do; run the experiment again");
    }
    flops[stage.depth] += stage.hardware_flops;
  }
  for (const PictureEvent& event : picture.events) {
    if (event.stage < 0 || !event.IsMicrobatchWork()) continue;
    const PictureStage& stage = picture.stages[static_cast<std::size_t>(event.stage)];
    gpu_seconds[stage.depth] += event.duration_s() * stage.gpu_count;
  }
  std::vector<double> rates;
  rates.reserve(flops.size());
  for (const auto& [depth, work] : flops) rates.push_back(work / gpu_seconds[depth] / 1e12);
  return rates;
}

}  // namespace

ReproducedFigure IdleTimes(const StoredResults& results) {
  const std::string name = "fig13-idle";
  const PointFigures& point = PointOf(results.Get(name), "llama3-8b");
  Plot plot{.title = "Idle time over compute time, Llama-3 8B, 32 A100",
            .x = {.label = ""},
            .y = {.label = "% of the time that GPUs compute", .least = 0.0},
            .series = {}};
  std::map<std::string, Interval> ideal, real;
  std::vector<Interval> ideals, reals;
  for (const PolicyFigures& policy : point.policies) {
    plot.x.categories.push_back(policy.policy);
    ideals.push_back(ideal[policy.policy] = IdealIdle(results, name, policy.policy));
    reals.push_back(real[policy.policy] = RealIdle(FiguresOf(point, policy.policy)));
  }
  plot.series = {BarSeries("ideal, (p − 1)/m", ideals), BarSeries("real", reals)};
  ReproducedFigure figure;
  figure.AddPlots("fig13", {plot});

  const auto idle_seconds = [](const RunFigures& seed) { return seed.idle_fraction * seed.iteration_time_s; };
  const PolicyFigures& baseline = FiguresOf(point, "random-fixed");
  const auto idle_over_baseline = [&](const std::string& policy) {
    return PairedRatio(FiguresOf(point, policy), baseline, idle_seconds);
  };
  const Interval left = idle_over_baseline("dflop");
  figure.quantities["saved.over.random-fixed"] = {1 - left.mean, left.half_width};
  figure.quantities["ideal.dflop_over_baseline"] = {ideal["dflop"].mean / ideal["random-fixed"].mean, {}};
  const auto over_ideal = [&](const std::string& policy) { return real[policy].mean / ideal[policy].mean; };
  figure.quantities["real_over_ideal.dflop"] = {over_ideal("dflop"), {}};
  figure.quantities["real_over_ideal.baseline_over_dflop"] = {over_ideal("random-fixed") / over_ideal("dflop"), {}};
  const Interval searched = idle_over_baseline("dflop-makespan");
  const Interval fair = idle_over_baseline("uniform-balanced");
  figure.notes.push_back(
      Format("With microbatches by simulated makespan DFLOP's plan idles %.0f %% less than "
             "random-fixed, uniform-balanced (fair) %.0f %% less.",
             100 * (1 - searched.mean), 100 * (1 - fair.mean)));
  return figure;
}

ReproducedFigure StageRates(const StoredResults& results) {
  const Report& report = results.Get("fig14-stages");
  Plot plot{.title = "Throughput of the stages while they compute, Llama-3 8B, 32 A100",
            .x = {.label = ""},
            .y = {.label = "TFLOP/s per GPU, recomputation counted", .least = 0.0},
            .series = {{"stages of the first step of a seed", PlotMark::kBoxes, {}}}};
  std::map<std::string, std::vector<double>> rates;
  for (const PolicyFigures& policy : PointOf(report, "llama3-8b").policies) {
    const std::vector<double>& of_policy = rates[policy.policy] =
        RatesOf(PictureOf(report, "llama3-8b", policy.policy));
    plot.series.front().points.push_back(
        {.x = static_cast<double>(plot.x.categories.size()), .y = Mean(of_policy), .values = of_policy});
    plot.x.categories.push_back(policy.policy);
  }
  ReproducedFigure figure;
  figure.AddPlots("fig14", {plot});
  figure.quantities["mean.dflop_over_baseline"] = {Mean(rates["dflop"]) / Mean(rates["random-fixed"]), {}};
  figure.quantities["deviation.dflop_over_baseline"] = {
      StandardDeviation(rates["dflop"]) / StandardDeviation(rates["random-fixed"]), {}};
  return figure;
}

}  // namespace dflop
