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

/// How much faster every policy is than each baseline, with 95 % intervals; bars start at "as fast".
Svg SpeedupChart(const PointFigures& point, const std::vector<std::string>& baselines);

/// Idle time by cause, stacked; negative parts go to the left of zero, a mark shows the sum.
Svg IdleChart(const PointFigures& point);

/// Of one picture: beyond, a page grows too heavy for a browser.
inline constexpr std::size_t kMostEvents = 4'000;

/// One step of every policy on one time axis: a row per device group. Of a picture the first rows are drawn, four at
/// least and no more events than `most_events` beyond.
Svg PipelineChart(const std::string& title, const std::vector<const StepPicture*>& pictures,
                  std::size_t most_events = kMostEvents);

/// The load of every microbatch over the mean, per policy and side.
Svg LoadChart(const std::string& title, const std::vector<const StepPicture*>& pictures);

/// Memory of every stage by part, against what a device has.
Svg MemoryChart(const PointFigures& point);

/// Lines over one axis of a sweep; `points` differ in nothing else. `baseline` "" draws the step time, otherwise the
/// speedup over it. What is infeasible is a cross at the foot of the chart.
Svg SweepChart(const std::string& axis, const std::vector<const PointFigures*>& points, const std::string& baseline);

/// How far every policy is from the best at every point: a row per point, a column per policy, its number beside every
/// mark, so that it reads without colours. Means and largest values stand at the foot.
Svg RegretChart(const RegretTable& table);

/// One node of every kind, four at most, their links and rates, and the fabric.
Svg ClusterChart(const ClusterSpec& cluster);

}  // namespace dflop
