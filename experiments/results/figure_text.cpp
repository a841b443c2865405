// Digits follow from the size of a number: four in a duration, three decimals in a ratio.
#include "experiments/results/figure_text.hpp"

#include <algorithm>
#include <cmath>

#include "base/text.hpp"

namespace dflop {
namespace {

/// The unit in which a duration has four readable digits.
struct TimeUnit {
  const char* name;
  double per_second;
  int decimals;
};

TimeUnit UnitFor(double seconds) {
  const double size = std::fabs(seconds);
  const auto [name, factor] = size >= 1 || size == 0 ? std::pair(" s", 1.0)
                              : size >= 1e-3         ? std::pair(" ms", 1e3)
                                                     : std::pair(" µs", 1e6);
  const double shown = size * factor;
  return {name, factor, size == 0 ? 0 : shown >= 1000 ? 0 : shown >= 100 ? 1 : shown >= 10 ? 2 : 3};
}

bool IsBaseline(const PolicyFigures& policy, const std::vector<std::string>& baselines) {
  return std::find(baselines.begin(), baselines.end(), policy.policy) != baselines.end();
}

std::string GainsOver(const PointFigures& point, const PolicyFigures& policy,
                      const std::vector<std::string>& baselines) {
  std::vector<std::string> gains;
  for (const std::string& name : baselines) {
    const auto speedup = SpeedupOver(point.Find(name), policy);
    if (speedup) gains.push_back(RatioWithInterval(*speedup) + " the speed of " + name);
  }
  std::string text;
  for (std::size_t i = 0; i < gains.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == gains.size() ? " and " : ", ") + gains[i];
  }
  return text;
}

/// What the reader must not overlook: a tie, or a baseline on top.
std::string Caveat(const PointFigures& point, const std::vector<const PolicyFigures*>& order,
                   const std::vector<std::string>& baselines) {
  const PolicyFigures& fastest = *order.front();
  std::string text;
  if (order.size() > 1) {
    const auto lead = SpeedupOver(order[1], fastest);
    if (lead && lead->half_width && Low(*lead) <= 1) {
      text += " Its lead over " + order[1]->shown() + " (" + Ratio(lead->mean) + ") is within the 95 % interval.";
    }
  }
  const auto other = std::find_if(order.begin(), order.end(),
                                  [&](const PolicyFigures* policy) { return !IsBaseline(*policy, baselines); });
  if (IsBaseline(fastest, baselines) && other != order.end()) {
    text += " The fastest policy that is no baseline, " + (*other)->shown() + ", reaches " +
            GainsOver(point, **other, baselines) + ".";
  }
  return text;
}

}  // namespace

std::vector<const PolicyFigures*> BySpeed(const PointFigures& point) {
  std::vector<const PolicyFigures*> order;
  for (const PolicyFigures& policy : point.policies) {
    if (policy.infeasible.empty() && !policy.seeds.empty()) order.push_back(&policy);
  }
  std::stable_sort(order.begin(), order.end(), [](const PolicyFigures* a, const PolicyFigures* b) {
    return StepTime(*a).mean < StepTime(*b).mean;
  });
  return order;
}

std::string Percent(double fraction, int decimals) { return Fixed(100 * fraction, decimals) + " %"; }

std::string Duration(double seconds) {
  const TimeUnit unit = UnitFor(seconds);
  return Fixed(seconds * unit.per_second, unit.decimals) + unit.name;
}

std::string DurationWithInterval(const Interval& seconds) {
  const TimeUnit unit = UnitFor(seconds.mean);
  std::string text = Fixed(seconds.mean * unit.per_second, unit.decimals);
  if (seconds.half_width) text += " ± " + Fixed(*seconds.half_width * unit.per_second, unit.decimals);
  return text + unit.name;
}

std::string InUnitOfTables(const FigureField& field, const RunFigures& figures) {
  const double value = figures.*field.value;
  if (field.unit == FigureUnit::kShare) return Fixed(100 * value, 1);
  return Fixed(field.unit == FigureUnit::kBytes ? value / kGibibyte : value, 1);
}

std::string Gibibytes(double bytes) { return Fixed(bytes / kGibibyte, 1) + " GiB"; }

std::string Ratio(double value) { return Fixed(value, 3) + "×"; }

std::string RatioWithInterval(const Interval& ratio) {
  if (!ratio.half_width) return Ratio(ratio.mean);
  return Ratio(ratio.mean) + " (" + Fixed(Low(ratio), 3) + "–" + Fixed(High(ratio), 3) + ")";
}

std::string Summary(const PointFigures& point, const std::vector<std::string>& baselines) {
  std::vector<const PolicyFigures*> order = BySpeed(point);
  if (order.empty()) return "No policy is feasible here.";
  std::string unfit;
  const auto too_large = [](const PolicyFigures* policy) { return !policy->figures.fits; };
  for (const PolicyFigures* policy : order) {
    if (too_large(policy)) unfit += (unfit.empty() ? "" : ", ") + policy->shown();
  }
  std::erase_if(order, too_large);
  if (order.empty()) return "No policy fits the devices' memory: " + unfit + ".";
  const PolicyFigures& fastest = *order.front();
  const Interval time = StepTime(fastest);
  const char* verb = point.policies.size() == 1 ? " takes " : " is fastest at ";  // alone, nothing is fastest
  std::string text = fastest.shown() + verb + DurationWithInterval(time) + " per step";
  const std::string gains = GainsOver(point, fastest, baselines);
  text += gains.empty() ? "." : ": " + gains + ".";
  text += Caveat(point, order, baselines);
  if (!unfit.empty()) text += " Does not fit the devices' memory and so is no choice: " + unfit + ".";
  return text;
}

}  // namespace dflop
