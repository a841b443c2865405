// Steps are 1, 2, 2.5, 5 or 10 times a power of ten: the smallest that is no shorter than the range over the count.
#include "base/round_ticks.hpp"

#include <cmath>

namespace dflop {

std::vector<double> RoundTicks(double low, double high, int count) {
  const double raw = (high - low) / count;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.5, 2.0, 1.0}) step = raw <= factor * power * (1 + 1e-9) ? factor * power : step;
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i)
    ticks.push_back(i * step + 0.0);  // + 0.0: no −0
  return ticks;
}

}  // namespace dflop
