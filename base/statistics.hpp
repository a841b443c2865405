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

/// mean ± t(0.975, n − 1)·s/√n over independent observations; at least one.
Interval MeanInterval(std::span<const double> values);

/// How many times faster than the baseline: mean(baseline)/mean(own). Both lists hold the times of the same batches in
/// the same order, so the interval comes from the paired differences d = baseline − own: speedup = 1 +
/// mean(d)/mean(own) and its half width is that of mean(d) over mean(own).
Interval PairedSpeedup(std::span<const double> baseline, std::span<const double> own);

/// Σ numerators/Σ denominators over pairs, each an independent unit (a seed: its planning and its batches). Which of
/// the two varies does not matter: the half width is t(0.975, n − 1)·√(Σr²/(n − 1)/n)/mean(denominators) with the
/// residuals r = numerator − ratio·denominator (the ratio estimator of Cochran 1977, Sampling Techniques, 6.2). None
/// for fewer than two pairs. Both lists have one length, at least 1, and the denominators a sum above 0.
Interval RatioOfMeans(std::span<const double> numerators, std::span<const double> denominators);

/// The value below which a share of the values lies, in between by straight lines (type 7 of Hyndman & Fan 1996); at
/// least one value.
double Quantile(std::span<const double> values, double share);
double Median(std::span<const double> values);

}  // namespace dflop
