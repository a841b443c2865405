// Draws are compared one by one, summed over seeds: both policies met the same costs in each.
#include "experiments/results/cost_verdict.hpp"

#include <algorithm>
#include <limits>

#include "base/text.hpp"

namespace dflop {
namespace {

constexpr double kUndecidedAbove = 0.05;

std::string InPercent(double share) { return Fixed(100 * share, 0) + " %"; }

/// Of the first `draws` draws.
std::vector<double> SumOverSeeds(const DrawTimes& times, std::size_t draws) {
  std::vector<double> sums(draws);
  for (const std::vector<double>& seed : times) {
    for (std::size_t draw = 0; draw < sums.size(); ++draw) sums[draw] += seed[draw];
  }
  return sums;
}

/// How many draws every seed of both has: draws have numbers, and a large step gets the first few.
std::size_t CommonDraws(const DrawTimes& a, const DrawTimes& b) {
  if (a.empty() || a.size() != b.size()) return 0;
  std::size_t common = a.front().size();
  for (const DrawTimes* times : {&a, &b}) {
    for (const std::vector<double>& seed : *times) common = std::min(common, seed.size());
  }
  return common;
}

}  // namespace

std::vector<double> TimesUnderDraws(const JsonReader& run, double mean_step_s) {
  constexpr double kLeast = std::numeric_limits<double>::min();
  constexpr double kMost = std::numeric_limits<double>::max();
  std::vector<double> times;
  const auto draws = run.Find("under_cost_draws");
  if (!draws) return times;
  const double scale = mean_step_s / draws->At("as_predicted_s").Number(kLeast, kMost);
  for (const JsonReader& time : draws->At("iteration_time_s").Elements()) {
    times.push_back(time.Number(kLeast, kMost) * scale);
  }
  return times;
}

std::optional<double> ShareFaster(const DrawTimes& baseline, const DrawTimes& policy) {
  const std::size_t draws = CommonDraws(baseline, policy);
  if (draws == 0) return std::nullopt;
  const std::vector<double> slow = SumOverSeeds(baseline, draws);
  const std::vector<double> fast = SumOverSeeds(policy, draws);
  double faster = 0;
  for (std::size_t draw = 0; draw < slow.size(); ++draw) {
    faster += slow[draw] > fast[draw] ? 1 : slow[draw] == fast[draw] ? 0.5 : 0;
  }
  return faster / static_cast<double>(slow.size());
}

bool Decided(double share_faster) { return share_faster <= kUndecidedAbove || share_faster >= 1 - kUndecidedAbove; }

std::string VerdictText(double share_faster) {
  if (!Decided(share_faster)) return "in " + InPercent(share_faster) + ": not decided by these costs";
  return share_faster < 0.5 ? "slower in " + InPercent(1 - share_faster) : "faster in " + InPercent(share_faster);
}

std::string VerdictCell(double share_faster) { return (Decided(share_faster) ? "" : "? ") + InPercent(share_faster); }

}  // namespace dflop
