// The runner-up is told by the paired difference over the planning batches, as the two have met the same ones.
#include "policies/layout_search/race_decision.hpp"

#include <algorithm>

#include "base/index.hpp"
#include "base/statistics.hpp"
#include "base/text.hpp"

namespace dflop {
namespace {

constexpr std::size_t kBudgetGpus = 12'288;
constexpr std::size_t kLeastBudget = 64;
constexpr std::size_t kMostBudget = 4096;
constexpr std::size_t kShown = 200;

std::string Percent(double share) { return Fixed(100 * share, 2) + " %"; }

/// How much longer the runner-up takes, with the 95 % interval of the paired difference over the planning batches.
std::string AgainstRunnerUp(const Runner& winner, const Runner& second) {
  std::vector<double> differences;
  const double step = winner.mean().value();
  for (std::size_t b = 0; b < kRaceBatches; ++b) {
    differences.push_back((second.steps[b] - winner.steps[b]).value() / step);
  }
  const Interval longer = MeanInterval(differences);
  const double half = longer.half_width.value();
  return "takes " + Percent(longer.mean) + " longer (95 % interval " + Percent(longer.mean - half) + " to " +
         Percent(longer.mean + half) + ", paired over " + std::to_string(kRaceBatches) + " planning batches)";
}

std::string CountsText(const RaceCounts& counts) {
  const auto number = [](std::size_t count) { return std::to_string(count); };
  const std::string messages =
      counts.messages > 0 ? number(counts.messages) + " send too many direct messages to simulate, " : "";
  return number(counts.choices) + " layouts: " + number(counts.state) + " cannot hold weights and optimizer state, " +
         messages + number(counts.bounded) + " cannot come close by the bound on their busiest stage, " +
         number(counts.memory) + " do not fit once batches are divided, " + number(counts.busiest) +
         " have a device that is busy for longer, " + number(counts.left) +
         " are expected to be slower and were left when the budget was spent; " + number(counts.simulated) +
         " simulated on " + number(counts.simulations) + " batches";
}

Candidate Describe(const Runner& runner, const std::vector<std::string>& labels) {
  Candidate candidate = runner.candidate;
  candidate.name += labels[Index(runner.variant)];
  candidate.predicted = candidate.fits && !runner.steps.empty() ? runner.mean() : Seconds(0);
  const bool early = candidate.fits && !runner.steps.empty() && runner.steps.size() < kRaceBatches;
  if (early) {
    candidate.note = "left after " + std::to_string(runner.steps.size()) + " of " + std::to_string(kRaceBatches) +
                     " planning batches";
  }
  return candidate;
}

}  // namespace

std::size_t DefaultRaceBudget(const ClusterSpec& cluster) {
  return std::clamp(kBudgetGpus / static_cast<std::size_t>(cluster.gpus()), kLeastBudget, kMostBudget);
}

std::optional<LayoutDecision> DecideByRace(LayoutRace& race, const std::vector<std::string>& labels) {
  const std::vector<Runner> runners = race.Run();
  if (runners.empty() || runners.front().steps.size() < kRaceBatches) return std::nullopt;
  const Runner& winner = runners.front();
  const CostModel& cost = race.variants()[Index(winner.variant)].cost;
  LayoutDecision decision;
  decision.layout = BuildLayout(winner.choice, cost.model(), cost.cluster());
  decision.layout.name += labels[Index(winner.variant)];
  decision.predicted = winner.mean();
  if (winner.variant > 0) decision.software = cost.software();
  for (const Runner& runner : runners) {
    if (decision.candidates.size() == kShown) break;
    decision.candidates.push_back(Describe(runner, labels));
  }
  decision.reason = "the shortest mean simulated step";
  if (runners.size() > 1 && runners[1].steps.size() == kRaceBatches) {
    decision.reason +=
        "; the runner-up, " + Describe(runners[1], labels).name + ", " + AgainstRunnerUp(winner, runners[1]);
  }
  decision.reason += "; " + CountsText(race.counts());
  return decision;
}

}  // namespace dflop
