// The charts of a report. Each is a whole picture, for the page and for a paper alike.
#pragma once

#include <string>
#include <vector>

#include "experiments/report/regret_table.hpp"
#include "experiments/report/svg.hpp"
#include "experiments/results/picture.hpp"
#include "experiments/results/result_figures.hpp"
#include "models/cluster_spec.hpp"

namespace dflop {

/// What a chart of bars has to stand in: its width, and that of the policies' names to the left.
struct BarRoom {
  double width = 520;
  double labels = 168;
};
inline constexpr BarRoom kPhoneRoom{340, 112};

/// How much faster every policy is than each baseline, with 95 % intervals; bars start at "as fast".
Svg SpeedupChart(const PointFigures& point, const std::vector<std::string>& baselines, const BarRoom& room = {});

/// Idle time by cause, stacked; negative parts go to the left of zero, a mark shows the sum.
Svg IdleChart(const PointFigures& point, const BarRoom& room = {});

/// Of one picture: beyond, a page grows too heavy for a browser.
inline constexpr std::size_t kMostEvents = 40'000;
/// Of the drawing of one figure without its style, so that its file stays below kMostFigureBytes.
inline constexpr std::size_t kMostDrawingBytes = 285'000;

/// One step of every policy on one time axis: a row per device group, the critical path through them. Of a picture the
/// first rows are drawn, four at least and no more events than `most_events` beyond; above them, where rows are left
/// out, the share of all groups that computes. Drawn more coarsely until it has no more than `most_bytes`.
Svg PipelineChart(const std::string& title, const std::vector<const StepPicture*>& pictures,
                  std::size_t most_events = kMostEvents, std::size_t most_bytes = kMostDrawingBytes);

/// The load of every microbatch over the mean, per policy and side.
Svg LoadChart(const std::string& title, const std::vector<const StepPicture*>& pictures);

/// Memory of every stage by part, against what a device has.
Svg MemoryChart(const PointFigures& point);

enum class SweepFigure {
  kStepTime,
  kSpeedup,     ///< over a baseline
  kThroughput,  ///< samples per second
  kEfficiency,  ///< throughput per GPU over that of the same policy at the fewest GPUs of the line
  kGpuTime,     ///< GPU seconds of the whole cluster per sample: what a sample costs where GPUs are rented by the hour
};
struct SweepMeasure {
  SweepFigure figure = SweepFigure::kStepTime;
  std::string baseline = {};  ///< of a speedup
};

/// Lines over one axis of a sweep; `points` differ in nothing else. What is infeasible is a cross at the foot of the
/// chart. Axes are logarithmic where values differ sixfold along the axis, eightfold across it.
Svg SweepChart(const std::string& axis, const std::vector<const PointFigures*>& points, const SweepMeasure& measure);

/// "global batch size" for /global_batch_size.
std::string ShortAxisName(const std::string& axis);

/// Of the cluster of a point; 0 where the result does not describe it.
int GpusOf(const PointFigures& point);

/// How far every policy is from the best at every point: a row per point, a column per policy, its number beside every
/// mark, so that it reads without colours. Means and largest values stand at the foot.
Svg RegretChart(const RegretTable& table);

/// One node of every kind, four at most, their links and rates, and the fabric.
Svg ClusterChart(const ClusterSpec& cluster);

}  // namespace dflop
