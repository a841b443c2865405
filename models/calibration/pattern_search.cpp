// Coordinates in a fixed order: the same figures come out everywhere.
#include "models/calibration/pattern_search.hpp"

#include <algorithm>

namespace dflop {
namespace {

constexpr double kGrowth = 1.5;
constexpr double kShrinkage = 0.5;

using Cost = std::function<double(std::span<const double>)>;

/// Whether a step along one coordinate helped.
bool Step(const Cost& cost, std::vector<double>& x, std::size_t coordinate, double step, double& best) {
  const double before = x[coordinate];
  for (const double signed_step : {step, -step}) {
    x[coordinate] = before + signed_step;
    const double now = cost(x);
    if (now < best) {
      best = now;
      return true;
    }
  }
  x[coordinate] = before;
  return false;
}

void MoveOn(const Cost& cost, std::vector<double>& x, const std::vector<double>& round_start, double& best) {
  for (;;) {
    std::vector<double> further = x;
    for (std::size_t i = 0; i < x.size(); ++i) further[i] += x[i] - round_start[i];
    const double now = cost(further);
    if (now >= best) return;
    best = now;
    x = further;
  }
}

}  // namespace

std::vector<double> PatternSearch(const Cost& cost, std::vector<double> start, double first_step, double last_step) {
  std::vector<double>& x = start;
  std::vector<double> steps(x.size(), first_step);
  double best = cost(x);
  while (std::any_of(steps.begin(), steps.end(), [&](double step) { return step >= last_step; })) {
    const std::vector<double> round_start = x;
    for (std::size_t i = 0; i < x.size(); ++i) {
      steps[i] *= Step(cost, x, i, steps[i], best) ? kGrowth : kShrinkage;
    }
    MoveOn(cost, x, round_start, best);
  }
  return start;
}

}  // namespace dflop
