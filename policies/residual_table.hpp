// How much slower than predicted each range of shapes is in each stage, learnt from whole microbatches.
//
// A microbatch of samples i with predicted shares w_i that took y times its prediction says Σ w_i·(f_i − 1) = y − 1.
// Each such equation is split over its ranges as in Kaczmarz's projection (1937): range r is told f_r + e·w_r/Σw², e
// being what the present estimates leave unexplained. The estimate of a range is the median of what it was told last,
// so that a hiccup of a device moves nothing, and a normal shape that shared a microbatch with a slow one is cleared by
// its next.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <tuple>
#include <vector>

#include "policies/corrected_step.hpp"

namespace dflop {

class ResidualTable {
 public:
  ResidualTable(double range_tokens, int min_observations)
      : range_tokens_(range_tokens), min_observations_(min_observations) {}

  /// In this stage of a module's pipeline a microbatch of these samples took (1 + residual) × its predicted time.
  void Learn(int stage, const std::vector<SampleShare>& samples, double residual);
  /// 1 where too little has been seen.
  double Factor(int stage, int module, double tokens) const;

 private:
  struct Entry {
    std::deque<double> told;  ///< the last few, oldest first
    int seen = 0;
    double residual = 0;  ///< their median
  };
  using Key = std::tuple<int, int, std::int64_t>;  ///< stage, module, range

  Key KeyOf(int stage, int module, double tokens) const;

  double range_tokens_;
  int min_observations_;
  std::map<Key, Entry> entries_;
};

}  // namespace dflop
