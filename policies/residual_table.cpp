#include "policies/residual_table.hpp"

#include <algorithm>
#include <cmath>

namespace dflop {
namespace {

constexpr std::size_t kKept = 9;      // four of them may be outliers
constexpr double kLeastFactor = 0.1;  // no estimate makes a sample free

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

ResidualTable::Key ResidualTable::KeyOf(int stage, int module, double tokens) const {
  return {stage, module, static_cast<std::int64_t>(std::floor(tokens / range_tokens_))};
}

void ResidualTable::Learn(int stage, const std::vector<SampleShare>& samples, double residual) {
  std::map<Key, double> weights;
  for (const SampleShare& sample : samples) weights[KeyOf(stage, sample.module, sample.tokens)] += sample.share;
  double unexplained = residual;
  double squares = 0;
  for (const auto& [key, weight] : weights) {
    unexplained -= weight * entries_[key].residual;
    squares += weight * weight;
  }
  for (const auto& [key, weight] : weights) {
    Entry& entry = entries_[key];
    entry.told.push_back(entry.residual + unexplained * weight / squares);
    if (entry.told.size() > kKept) entry.told.pop_front();
    entry.residual = Median({entry.told.begin(), entry.told.end()});
    ++entry.seen;
  }
}

double ResidualTable::Factor(int stage, int module, double tokens) const {
  const auto entry = entries_.find(KeyOf(stage, module, tokens));
  if (entry == entries_.end() || entry->second.seen < min_observations_) return 1;
  return std::max(kLeastFactor, 1 + entry->second.residual);
}

}  // namespace dflop
