// Means with their uncertainty: 95 % intervals from Student's t distribution. Without a library, because the real
// runner builds on machines that carry header-only dependencies along.
#pragma once

#include <optional>
#include <span>

namespace dflop {

struct Interval {
  double mean = 0;
  /// Half the width of the 95 % interval; none for fewer than two observations.
  std::optional<double> half_width;
};

/// The t below which a share `probability` of Student's distribution lies.
double StudentQuantile(double probability, double degrees_of_freedom);

/// mean ± t(0.975, n − 1)·s/√n over independent observations; at least one. The observations of a simulation are its
/// seeds: the steps of one seed share what was planned, so each seed counts once, with its mean.
Interval MeanInterval(std::span<const double> values);

/// √(Σ(value − mean)²/n): how far values that are all there are stray from their mean; at least one.
double StandardDeviation(std::span<const double> values);

/// Σ numerators / Σ denominators over independent pairs (a seed each), the ratio of their means R, with the interval of
/// a ratio estimator (Cochran, Sampling Techniques, 1977, section 6.4): residuals r = numerator − R·denominator, half
/// width t(0.975, n − 1)·√(Σr²/(n − 1)/n)/mean(denominators). What a pair shares cancels, and the denominator's own
/// spread counts. A speedup has the baseline's times above and the policy's below. Denominators are positive in the
/// sum.
Interval RatioOfMeans(std::span<const double> numerators, std::span<const double> denominators);

/// The value below which a share of the values lies, in between by straight lines (type 7 of Hyndman & Fan 1996); at
/// least one value.
double Quantile(std::span<const double> values, double share);
double Median(std::span<const double> values);

}  // namespace dflop
