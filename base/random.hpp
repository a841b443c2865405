// Our own random streams: the same numbers on every compiler and library, which <random>'s distributions do not give.
//
// A stream is named by a seed and a purpose ("batch/3", "planning"): streams of different purposes are independent, so
// adding a consumer never shifts the numbers of another one. Generator: xoshiro256** seeded by splitmix64 of an FNV-1a
// hash (Blackman & Vigna, "Scrambled linear pseudorandom number generators", 2018).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace dflop {

class RandomStream {
 public:
  RandomStream(std::uint64_t seed, std::string_view purpose);

  std::uint64_t Next();
  /// Uniform in [0, 1), 53 bits.
  double Uniform();
  /// Uniform in {0, …, bound − 1}, unbiased; bound > 0.
  std::uint64_t Below(std::uint64_t bound);
  /// Standard normal (Box–Muller).
  double Normal();
  /// exp(log(median) + sigma·N(0,1)).
  double LogNormal(double median, double sigma);
  /// Number of failures before the first success, with the given mean (≥ 0).
  std::int64_t Geometric(double mean);

  template <typename T>
  void Shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[Below(i)]);
  }

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace dflop
