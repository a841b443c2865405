#include "experiments/statistics.hpp"

#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <vector>

#include "base/error.hpp"

namespace dflop {

double StudentQuantile(double probability, double degrees_of_freedom) {
  return boost::math::quantile(boost::math::students_t(degrees_of_freedom), probability);
}

Interval MeanInterval(std::span<const double> values) {
  DFLOP_CHECK(!values.empty(), "a mean needs a value");
  const auto count = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  Interval interval{sum / count, std::nullopt};
  if (values.size() < 2) return interval;
  double squares = 0;
  for (const double value : values) squares += (value - interval.mean) * (value - interval.mean);
  const double standard_error = std::sqrt(squares / (count - 1) / count);
  interval.half_width = StudentQuantile(0.975, count - 1) * standard_error;
  return interval;
}

Interval PairedSpeedup(std::span<const double> baseline, std::span<const double> own) {
  DFLOP_CHECK(baseline.size() == own.size(), "paired lists have one length");
  std::vector<double> differences;
  for (std::size_t i = 0; i < own.size(); ++i) differences.push_back(baseline[i] - own[i]);
  const Interval difference = MeanInterval(differences);
  const double mean = MeanInterval(own).mean;
  Interval speedup{1 + difference.mean / mean, std::nullopt};
  if (difference.half_width) speedup.half_width = *difference.half_width / mean;
  return speedup;
}

}  // namespace dflop
