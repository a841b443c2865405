// Solved by rows (Kaczmarz), but each range moves by the median over its last equations, so that outliers move nothing.
#include "policies/correction/residual_table.hpp"

#include <algorithm>
#include <cmath>

namespace dflop {
namespace {

constexpr std::size_t kKept = 15;     // seven of them may be outliers
constexpr int kSweeps = 4;            // of every step: the next one goes on where this one ended
constexpr double kLevel = 0.25;       // of the microbatches; three in four may hold a slow sample
constexpr double kLeastFactor = 0.1;  // no estimate makes a sample free

double Quantile(std::vector<double>& values, double share) {
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(values.size()) * share);
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

}  // namespace

ResidualTable::Key ResidualTable::KeyOf(int stage, int module, double tokens) const {
  return {stage, module, static_cast<std::int64_t>(std::floor(tokens / range_tokens_))};
}

void ResidualTable::Add(int stage, const std::vector<SampleShare>& samples, double residual) {
  std::map<Key, double> weights;
  for (const SampleShare& sample : samples) weights[KeyOf(stage, sample.module, sample.tokens)] += sample.share;
  const auto equation = std::make_shared<Equation>();
  equation->residual = residual;
  levels_[{stage, samples.front().module}].recent.push_back(equation);
  for (const auto& [key, weight] : weights) {
    Entry& entry = entries_[key];
    equation->weights.emplace_back(&entry, weight);
    equation->squares += weight * weight;
    entry.equations.push_back(equation);
    if (entry.equations.size() > kKept) entry.equations.pop_front();
    ++entry.seen;
  }
}

void ResidualTable::Update(Level& level) {
  if (level.recent.empty()) return;
  std::vector<double> residuals;
  for (const auto& equation : level.recent) residuals.push_back(equation->residual);
  level.residual = Quantile(residuals, kLevel);
  for (const auto& equation : level.recent) equation->residual -= level.residual;
  level.recent.clear();
}

void ResidualTable::Solve() {
  for (auto& [stage, level] : levels_) Update(level);
  std::vector<double> moves;
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    for (auto& [key, entry] : entries_) {
      moves.clear();
      for (const auto& equation : entry.equations) {
        double unexplained = equation->residual;
        double own = 0;
        for (const auto& [other, weight] : equation->weights) {
          unexplained -= weight * other->residual;
          if (other == &entry) own = weight;
        }
        moves.push_back(unexplained * own / equation->squares);
      }
      entry.residual += Quantile(moves, 0.5);
    }
  }
}

double ResidualTable::Factor(int stage, int module, double tokens) const {
  const auto level = levels_.find({stage, module});
  const auto entry = entries_.find(KeyOf(stage, module, tokens));
  double residual = level == levels_.end() ? 0 : level->second.residual;
  if (entry != entries_.end() && entry->second.seen >= min_observations_) residual += entry->second.residual;
  return std::max(kLeastFactor, 1 + residual);
}

}  // namespace dflop
