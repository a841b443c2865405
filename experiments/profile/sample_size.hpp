// How many samples a layout planner needs: the bootstrap of its choice.
//
// A pool of samples stands for the training set. For every size n, samples are drawn from the pool with replacement,
// the planner chooses a layout from them, and the layout is simulated over the whole pool. Its regret is that step time
// over the one of the layout chosen from the whole pool, − 1; negative where the smaller sample was lucky.
//
// The rule: n is enough when from it on at least 95 % of the resamples choose a layout that fits and has a regret of at
// most 1 %. Whether it is the very same layout matters less: near-ties change places for nothing.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "experiments/spec/scenario.hpp"

namespace dflop {

inline constexpr double kEnoughShare = 0.95;
inline constexpr double kEnoughRegret = 0.01;

struct SampleSizeRow {
  int samples = 0;
  int resamples = 0;
  int layouts = 0;         ///< different ones chosen
  double same = 0;         ///< share that chose the pool's layout
  double good = 0;         ///< share that fits and has a regret of at most 1 %
  double unfit = 0;        ///< share whose choice does not fit the pool's batches, or that found none at all
  double mean_regret = 0;  ///< of those that fit
  double high_regret = 0;  ///< 95th percentile of those that fit
};

/// A layout that some resample of any size chose.
struct ChosenLayout {
  std::string name;
  int times = 0;
  std::optional<double> regret;  ///< none where it does not fit the pool's batches
};

struct SampleSizeStudy {
  std::string chosen;  ///< from the whole pool
  std::vector<SampleSizeRow> rows;
  std::vector<ChosenLayout> layouts;  ///< most frequent first
  /// The smallest size that is enough; 0 when none is.
  int Enough() const;
};

/// `planned` is called after every resample, for progress. Throws Infeasible when nothing fits the pool.
SampleSizeStudy StudySampleSize(const Scenario& scenario, const PolicySpec& policy,
                                const std::vector<SampleShape>& pool, const std::vector<int>& sizes, int resamples,
                                const std::function<void()>& planned);

}  // namespace dflop
