// Where two policies do not have the same seeds in the same order there is a ratio, but no interval.
#include "experiments/results/seed_figures.hpp"

#include <algorithm>
#include <numeric>

#include "base/text.hpp"
#include "experiments/spec/experiment.hpp"

namespace dflop {
namespace {

std::string LayoutOf(const JsonReader& run) {
  const auto layout = run.Find("layout");
  if (!layout || !layout->IsObject()) return "";
  std::string words = layout->StringOr("name", "");
  if (const auto gpus = layout->Find("gpus_used")) words += (words.empty() ? "" : ", ") + gpus->json().Dump() + " GPUs";
  return words;
}

bool SeedsAgree(const SeedFigures& figures) { return ChosenLayouts(figures).size() <= 1; }

}  // namespace

void AddRun(const JsonReader& run, const RunFigures& figures, SeedFigures& seeds) {
  const std::vector<double>& steps = figures.step_s;
  seeds.seeds.push_back(run.At("seed").Int(0, kLargestSeed));
  seeds.step_s.push_back(std::accumulate(steps.begin(), steps.end(), 0.0) / static_cast<double>(steps.size()));
  seeds.layouts.push_back(LayoutOf(run));
  seeds.steps += steps.size();
}

std::vector<std::pair<std::string, int>> ChosenLayouts(const SeedFigures& figures) {
  std::vector<std::pair<std::string, int>> chosen;
  for (const std::string& layout : figures.layouts) {
    const auto known = std::find_if(chosen.begin(), chosen.end(), [&](const auto& one) { return one.first == layout; });
    known == chosen.end() ? chosen.emplace_back(layout, 1) : * known = {layout, known->second + 1};
  }
  std::sort(chosen.begin(), chosen.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  return chosen;
}

std::string LayoutsText(const SeedFigures& figures) {
  const auto chosen = ChosenLayouts(figures);
  std::string text;
  for (const auto& [layout, seeds] : chosen) {
    if (chosen.size() > 1) text += (text.empty() ? "" : "; ") + std::to_string(seeds) + " × ";
    text += layout;
  }
  return text;
}

SeedInterval StepTime(const SeedFigures& figures) { return {MeanInterval(figures.step_s), SeedsAgree(figures)}; }

SeedInterval SpeedupOver(const SeedFigures& baseline, const SeedFigures& policy) {
  const bool agree = SeedsAgree(baseline) && SeedsAgree(policy);
  if (baseline.seeds == policy.seeds) return {RatioOfMeans(baseline.step_s, policy.step_s), agree};
  return {{StepTime(baseline).mean / StepTime(policy).mean, std::nullopt}, agree};
}

std::string WithInterval(const SeedInterval& interval, int decimals) {
  const std::string half_width = interval.half_width ? Fixed(*interval.half_width, decimals) : "–";
  return Fixed(interval.mean, decimals) + " ± " + half_width + (interval.seeds_agree ? "" : kDisagreementMark);
}

}  // namespace dflop
