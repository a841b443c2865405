// Student's t by the continued fraction of the incomplete beta function (DLMF 8.17), its quantile by halving.
#include "base/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.hpp"

namespace dflop {
namespace {

/// The continued fraction of the incomplete beta function, DLMF 8.17.22, from its first term to where a further one
/// changes nothing (Lentz's method, DLMF 3.10(iii)). Converges fast for x < (a + 1)/(a + b + 2).
double BetaFraction(double x, double a, double b) {
  constexpr double kTiny = 1e-300;
  constexpr int kMostTerms = 1'000'000;
  const auto away_from_zero = [](double value) { return std::abs(value) < kTiny ? kTiny : value; };
  double c = 1;
  double d = 1 / away_from_zero(1 - (a + b) * x / (a + 1));
  double fraction = d;
  for (int m = 1; m < kMostTerms; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    double change = 1;
    for (const double term : {even, odd}) {
      d = 1 / away_from_zero(1 + term * d);
      c = away_from_zero(1 + term / c);
      change *= c * d;
    }
    fraction *= change;
    if (std::abs(change - 1) < std::numeric_limits<double>::epsilon()) break;
  }
  return fraction;
}

/// I_x(a, b), DLMF 8.17.2; `rest` is 1 − x, which the caller knows to more digits.
double RegularizedBeta(double x, double rest, double a, double b) {
  if (x <= 0) return 0;
  if (rest <= 0) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - RegularizedBeta(rest, x, b, a);
  const double logarithm = a * std::log(x) + b * std::log(rest) + std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b);
  return std::exp(logarithm) * BetaFraction(x, a, b) / a;
}

/// P(T > t) of Student's distribution for t ≥ 0, DLMF 8.17 with Abramowitz & Stegun 26.7.1: ½·I_{ν/(ν+t²)}(ν/2, ½).
double StudentTail(double t, double nu) {
  const double sum = nu + t * t;
  return 0.5 * RegularizedBeta(nu / sum, t * t / sum, nu / 2, 0.5);
}

}  // namespace

double StudentQuantile(double probability, double degrees_of_freedom) {
  DFLOP_CHECK(probability > 0 && probability < 1 && degrees_of_freedom > 0, "a quantile of a distribution");
  if (probability < 0.5) return -StudentQuantile(1 - probability, degrees_of_freedom);
  const double tail = 1 - probability;
  double low = 0;
  double high = 1;
  while (StudentTail(high, degrees_of_freedom) > tail) high *= 2;
  while (true) {  // the tail falls with t: halved until no double lies between
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) return middle;
    (StudentTail(middle, degrees_of_freedom) > tail ? low : high) = middle;
  }
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

double StandardDeviation(std::span<const double> values) {
  const double mean = MeanInterval(values).mean;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

Interval RatioOfMeans(std::span<const double> numerators, std::span<const double> denominators) {
  DFLOP_CHECK(numerators.size() == denominators.size(), "paired lists have one length");
  const double below = MeanInterval(denominators).mean;
  Interval ratio{MeanInterval(numerators).mean / below, std::nullopt};
  std::vector<double> residuals;
  for (std::size_t i = 0; i < numerators.size(); ++i) residuals.push_back(numerators[i] - ratio.mean * denominators[i]);
  // Their mean is zero by the choice of the ratio, so their spread is that of the sum.
  if (const auto half_width = MeanInterval(residuals).half_width) ratio.half_width = *half_width / below;
  return ratio;
}

double Median(std::span<const double> values) { return Quantile(values, 0.5); }

double Quantile(std::span<const double> values, double share) {
  DFLOP_CHECK(!values.empty(), "a quantile needs a value");
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace dflop
