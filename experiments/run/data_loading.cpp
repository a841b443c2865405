// A run's steps are few and its training long: they are repeated until the loader's places are as full as they get.
#include "experiments/run/data_loading.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.hpp"

namespace dflop {
namespace {

/// Waits of `passes` times the same steps.
std::vector<double> WaitsOfPasses(std::span<const double> load_s, std::span<const double> compute_s, int prefetch_steps,
                                  std::size_t passes) {
  DFLOP_CHECK(load_s.size() == compute_s.size(), "every step has a batch");
  const auto ahead = static_cast<std::size_t>(prefetch_steps);
  std::vector<double> starts;
  std::vector<double> waits;
  double loaded = 0;
  double end = 0;
  for (std::size_t k = 0; k < passes * load_s.size(); ++k) {
    const double free = ahead == 0 ? end : k < ahead ? 0 : starts[k - ahead];
    loaded = std::max(loaded, free) + load_s[k % load_s.size()];
    starts.push_back(std::max(end, loaded));
    waits.push_back(starts.back() - end);
    end = starts.back() + compute_s[k % load_s.size()];
  }
  return waits;
}

double SumOf(std::span<const double> values) { return std::accumulate(values.begin(), values.end(), 0.0); }

}  // namespace

double CoreSeconds(const DataLoading& loading, std::span<const Sample> samples) {
  double seconds = 0;
  for (const Sample& sample : samples) {
    for (const LoadedKind& kind : kLoadedKinds) {
      if (loading.*kind.rate > 0) seconds += kind.count(sample) / (loading.*kind.rate);
    }
  }
  return seconds;
}

std::vector<double> LoadingWaits(std::span<const double> load_s, std::span<const double> compute_s,
                                 int prefetch_steps) {
  return WaitsOfPasses(load_s, compute_s, prefetch_steps, 1);
}

double MeanLoadingWait(std::span<const double> load_s, std::span<const double> compute_s, int prefetch_steps) {
  if (load_s.empty()) return 0;
  const std::size_t filling = 1 + static_cast<std::size_t>(prefetch_steps) / load_s.size();
  const std::vector<double> waits = WaitsOfPasses(load_s, compute_s, prefetch_steps, filling + 1);
  return SumOf(std::span(waits).last(load_s.size())) / static_cast<double>(load_s.size());
}

double CoresThatHide(std::span<const double> load_s, std::span<const double> compute_s, const DataLoading& loading) {
  constexpr double kMost = 1e6;
  const double allowed = kHiddenWait * SumOf(compute_s) / static_cast<double>(compute_s.size());
  std::vector<double> scaled(load_s.size());
  const auto hides = [&](double cores) {
    std::transform(load_s.begin(), load_s.end(), scaled.begin(),
                   [&](double load) { return load * loading.cores_per_gpu / cores; });
    return MeanLoadingWait(scaled, compute_s, loading.prefetch_steps) <= allowed;
  };
  if (loading.prefetch_steps == 0) return 0;  // whatever is loaded is waited for
  double too_few = 0;
  double enough = 1;
  while (!hides(enough)) {
    if (enough >= kMost) return 0;
    too_few = enough;
    enough = std::min(2 * enough, kMost);
  }
  while (enough - too_few > 1) {
    const double middle = std::floor((too_few + enough) / 2);
    (hides(middle) ? enough : too_few) = middle;
  }
  return enough;
}

}  // namespace dflop
