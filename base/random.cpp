// Integers are taken without bias by rejection, normals by Box and Muller; no distribution of <random> is used.
#include "base/random.hpp"

#include <bit>
#include <cmath>
#include <numbers>

#include "base/error.hpp"

namespace dflop {
namespace {

std::uint64_t SplitMix(std::uint64_t& state) {
  state += 0x9e3779b97f4a7c15u;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

std::uint64_t Fnv1a(std::uint64_t hash, std::string_view text) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

}  // namespace

RandomStream::RandomStream(std::uint64_t seed, std::string_view purpose) {
  std::uint64_t state = Fnv1a(0xcbf29ce484222325u, purpose) ^ SplitMix(seed);
  for (auto& word : state_) word = SplitMix(state);
}

std::uint64_t RandomStream::Next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

double RandomStream::Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

std::uint64_t RandomStream::Below(std::uint64_t bound) {
  DFLOP_CHECK(bound > 0, "an empty range has no number");
  const std::uint64_t threshold = (0 - bound) % bound;  // first multiple of bound above 2^64 is rejected
  std::uint64_t value = Next();
  while (value < threshold) value = Next();
  return value % bound;
}

double RandomStream::Normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - Uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * Uniform());
}

double RandomStream::LogNormal(double median, double sigma) { return median * std::exp(sigma * Normal()); }

std::int64_t RandomStream::Geometric(double mean) {
  if (mean <= 0.0) return 0;
  return static_cast<std::int64_t>(std::log(1.0 - Uniform()) / std::log(mean / (1.0 + mean)));
}

}  // namespace dflop
