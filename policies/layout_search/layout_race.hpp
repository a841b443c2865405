// The fastest of many layouts by simulation, with few simulations: all enter by expectation, few meet every batch.
//
// Rung 1: layouts by expected step time, in lanes of the same kind, TPs and PP side by side, each scaled by how its
// simulations have compared with its expectations so far; on one planning batch. Rungs 2 and 3: what is left, on more
// batches. A rung keeps what is within its margin of the best; a bound discards only what a simulation would have
// discarded too. Where layouts are so few that all can meet every batch, all do, for a margin may err where batches are
// small and divided at random. Should none of these fit every batch, what was discarded for being slow gets its chance.
// The budget counts batches that were divided and simulated, so that decisions do not depend on the machine.
#pragma once

#include <array>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "policies/layout_search/choice_estimate.hpp"
#include "policies/layout_search/plan_simulator.hpp"

namespace dflop {

/// Batches of the planning sample: the sample itself first, then draws from it with replacement.
inline constexpr std::size_t kRaceBatches = 8;
std::vector<std::vector<SampleShape>> RaceBatches(const PlanningProblem& problem);

/// A layout in the race.
struct Runner {
  LayoutChoice choice;
  int variant = 0;  ///< of the problem: recompute, optimizer
  StepEstimate estimate;
  bool met = false;              ///< a batch, so far
  std::vector<Seconds> steps{};  ///< by planning batch, as far as simulated
  Candidate candidate{};

  Seconds mean() const;
};

struct RaceCounts {
  std::size_t choices = 0;      ///< of degrees, microbatch counts and variants
  std::size_t state = 0;        ///< weights and optimizer state alone do not fit
  std::size_t messages = 0;     ///< a direct communicator would send too many to simulate
  std::size_t bounded = 0;      ///< the bound says no
  std::size_t memory = 0;       ///< do not fit once batches are divided
  std::size_t busiest = 0;      ///< divided, but the busiest device alone needs too long
  std::size_t simulated = 0;    ///< layouts
  std::size_t simulations = 0;  ///< batches
  std::size_t left = 0;         ///< expected to be slower and not looked at
};

class LayoutRace {
 public:
  /// One problem per variant, equal but for the cost model; all outlive the race. `budget` 0: no limit.
  LayoutRace(const std::vector<PlanningProblem>& variants, ChoiceSpace space, bool uneven_layers, std::size_t budget);

  /// Layouts that met every planning batch, best first, then those that left earlier. Empty when nothing fits.
  std::vector<Runner> Run();

  const RaceCounts& counts() const { return counts_; }
  const std::vector<PlanningProblem>& variants() const { return variants_; }
  /// Where nothing fits: the layout that overflows least, how, and what would make it fit.
  std::string WhyNothingFits() const;

 private:
  /// Layouts that are alike enough for one's simulation to tell how good the others' expectations are.
  struct Lane {
    LayoutFamily family = LayoutFamily::kNoPipeline;
    std::vector<Runner> waiting{};  ///< by expectation, once all have entered
    std::size_t next = 0;
    std::optional<double> ratio{};  ///< simulated over expected, of its last simulations
  };
  /// Variant, family, TP, PP and CP of the LLM, TP of an encoder on its devices.
  using LaneKey = std::array<int, 6>;
  void Enter(int variant);
  void Enlist(Runner runner);
  void FirstRung();
  void CountTheRest(Seconds worth_below);
  void NextRung(std::size_t batches, std::size_t most);
  bool Finishes(Runner& runner, std::size_t batches);
  void LookAtTheRest();
  bool AllMeetEveryBatch() const;
  double Margin(std::size_t batches) const;
  Lane* NextLane();
  double Ratio(const Lane& lane) const;
  void Learn(Lane& lane, double ratio);
  bool Simulate(Runner& runner, Seconds worth_below);
  std::size_t spent() const;
  void RememberOverflow(const Runner& runner, Bytes peak);
  Layout Build(const LayoutChoice& choice) const;

  const std::vector<PlanningProblem>& variants_;
  ChoiceSpace space_;
  bool uneven_layers_;
  std::size_t budget_;
  std::vector<ChoiceEstimate> estimates_;
  std::vector<PlanSimulator> simulators_;
  std::map<LaneKey, Lane> lanes_;
  std::array<double, kLayoutFamilies> ratio_;  ///< as in Lane, of the whole family
  std::vector<Runner> running_;
  std::vector<Runner> retired_;
  std::optional<Runner> nearest_;  ///< of what does not fit, the one that needs least
  Bytes nearest_peak_{std::numeric_limits<double>::infinity()};
  RaceCounts counts_;
};

}  // namespace dflop
