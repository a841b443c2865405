// Every operation takes equally many numbers of its GPU's stream, so that no setting moves another's draws.
#include "sim/step/noise.hpp"

#include <cmath>
#include <string>

namespace dflop {
namespace {

/// Log-normal with mean 1: E = median·exp(σ²/2), and the coefficient of variation squared is exp(σ²) − 1.
double FactorOf(RandomStream& random, double variation) {
  const double sigma_squared = std::log1p(variation * variation);
  return random.LogNormal(std::exp(-sigma_squared / 2), std::sqrt(sigma_squared));
}

}  // namespace

double StepNoise(const Noise& noise, std::uint64_t seed, int step) {
  RandomStream random(seed, "noise of step/" + std::to_string(step));
  return FactorOf(random, noise.per_step);
}

DeviceNoise::DeviceNoise(const Noise& noise, std::uint64_t seed, int step, int gpu)
    : noise_(noise), random_(seed, "noise of device/" + std::to_string(step) + "/" + std::to_string(gpu)) {}

double DeviceNoise::Next() {
  const double factor = FactorOf(random_, noise_.per_kernel);
  return random_.Uniform() < noise_.tail_share ? factor * noise_.tail_factor : factor;
}

}  // namespace dflop
