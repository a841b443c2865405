// The error of published runs is one of absolute step times: what two policies share of it cancels in their ratio, so
// that a lead beyond it is safe and one within it is undecided, not wrong.
#include "experiments/report/trust.hpp"

#include <algorithm>
#include <cmath>

#include "base/text.hpp"
#include "experiments/results/extrapolation.hpp"
#include "experiments/results/figure_text.hpp"
#include "experiments/results/published_error.hpp"

namespace dflop {
namespace {

const ValidatedPolicyFigures* MeasuredOf(const Report& report, const PointFigures& point, const std::string& policy) {
  if (!report.validation || !point.point.empty()) return nullptr;
  for (const ValidatedScenarioFigures& scenario : report.validation->scenarios) {
    if (scenario.scenario != point.scenario) continue;
    for (const ValidatedPolicyFigures& candidate : scenario.policies) {
      if (candidate.policy == policy) return &candidate;
    }
  }
  return nullptr;
}

/// The fastest baseline that fits and is another policy.
const PolicyFigures* BestBaseline(const Report& report, const PointFigures& point, const PolicyFigures& policy) {
  const PolicyFigures* best = nullptr;
  for (const std::string& name : report.baselines) {
    const PolicyFigures* candidate = point.Find(name);
    if (candidate == nullptr || candidate == &policy || candidate->seeds.empty() || !candidate->figures.fits) continue;
    if (best == nullptr || StepTime(*candidate).mean < StepTime(*best).mean) best = candidate;
  }
  return best;
}

std::string AgainstPublished(const Report& report, const PointFigures& point, const PolicyFigures& policy) {
  if (point.assumptions.is_null()) return "";
  const JsonReader assumptions(point.assumptions, "result.json");
  const auto error = PublishedError(assumptions);
  if (!error) return "no published run of its kind";
  const std::string band = "the ±" + Fixed(100 * *error, 0) + " % of published runs";
  const auto speedup = SpeedupOver(BestBaseline(report, point, policy), policy);
  if (!speedup) return band.substr(4);
  const bool beyond = std::abs(std::log(speedup->mean)) > std::log1p(*error);
  return (beyond ? "difference beyond " : "difference within ") + band;
}

}  // namespace

Trust TrustOf(const Report& report, const PointFigures& point, const PolicyFigures& policy) {
  const double extrapolated = policy.figures.extrapolated_fraction;
  Trust trust{"interpolated", AgainstPublished(report, point, policy), 1 + extrapolated, false};
  if (const ValidatedPolicyFigures* measured = MeasuredOf(report, point, policy.policy)) {
    trust.word = "measured";
    trust.sort_by = 0;
    trust.detail = "error " + Format("%+.1f %%", 100 * (measured->measured_s.mean / measured->predicted_s - 1));
  } else if (!RoundsToNothing(extrapolated)) {
    trust.word = "extrapolated " + Percent(extrapolated, extrapolated < 0.095 ? 1 : 0);
    trust.is_bad = IsMuchExtrapolated(extrapolated);
  }
  if (!policy.figures.fits) {
    trust.detail = "does not fit: no choice";
    trust.is_bad = true;
    trust.sort_by += 10;
  }
  return trust;
}

}  // namespace dflop
