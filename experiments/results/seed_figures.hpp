// What the seeds of one policy at one point say. A seed is what counts as one observation: it draws a planning sample,
// plans, and runs its steps, all of which hang together; other seeds know nothing of it. So intervals have as many
// observations as there are seeds, however many steps each ran, and a comparison of two policies pairs their seeds,
// which met the same samples.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json_reader.hpp"
#include "base/statistics.hpp"
#include "experiments/results/run_figures.hpp"

namespace dflop {

struct SeedFigures {
  std::vector<std::int64_t> seeds{};
  std::vector<double> step_s{};        ///< of each seed, the mean over its steps
  std::vector<std::string> layouts{};  ///< that each seed chose, in words; "" where a result does not say
  std::size_t steps = 0;               ///< of all seeds together

  bool empty() const { return seeds.empty(); }
};

/// Adds one entry of a result's `runs` that has metrics, which read `figures`.
void AddRun(const JsonReader& run, const RunFigures& figures, SeedFigures& seeds);

/// Different layouts, the most frequent first, with the number of seeds that chose each.
std::vector<std::pair<std::string, int>> ChosenLayouts(const SeedFigures& figures);
/// "3 × A; 2 × B", of a single layout its name alone.
std::string LayoutsText(const SeedFigures& figures);

/// An interval over seeds that may have chosen different layouts. Where they did, their step times come from several
/// distributions, of which a few seeds show little: the interval is marked wherever it is printed.
struct SeedInterval : Interval {
  bool seeds_agree = true;
};
inline constexpr const char* kDisagreementMark = "*";

/// Mean step time; there is a seed.
SeedInterval StepTime(const SeedFigures& figures);
/// The baseline's step time over the policy's, paired by seed; without an interval where their seeds differ. Both have
/// a seed.
SeedInterval SpeedupOver(const SeedFigures& baseline, const SeedFigures& policy);

/// "24.413 ± 0.120", marked where seeds disagree, "24.413 ± –" of a single seed.
std::string WithInterval(const SeedInterval& interval, int decimals);

}  // namespace dflop
