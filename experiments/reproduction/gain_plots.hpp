// What several figures draw: bars of every policy at every point, and gains over a baseline.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "experiments/reproduction/reproduced_figure.hpp"

namespace dflop {

/// A category of the x axis and the point behind it.
using NamedPoints = std::vector<std::pair<std::string, const PointFigures*>>;

/// One entry per scenario, called by its name.
NamedPoints PointsOf(const Report& report);

/// The mean over the seeds of what `figure` takes from a seed's figures.
Interval OverSeedsOf(const PolicyFigures& policy, const std::function<double(const RunFigures&)>& figure);
Interval TeraflopsOf(const PolicyFigures& policy);

/// A series of bars per policy; points at which one is infeasible have no bar.
Plot BarsOf(const std::string& title, const std::string& unit, const NamedPoints& points,
            const std::vector<std::string>& policies, const std::function<Interval(const PolicyFigures&)>& value);

/// Bars of `policy`'s gain over every baseline.
Plot GainBars(const std::string& title, const NamedPoints& points, const std::vector<std::string>& baselines,
              const std::string& policy);

/// "gain.POINT.over.BASELINE" of every point.
void AddGains(const NamedPoints& points, const std::vector<std::string>& baselines, const std::string& policy,
              Quantities& quantities);

/// The yardsticks that stand beside DFLOP in every figure (design: random-fixed, uniform-tuned, and the fair one).
const std::vector<std::string>& Yardsticks();

}  // namespace dflop
