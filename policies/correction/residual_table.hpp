// How much slower than predicted each range of shapes is in each stage, learnt from whole microbatches.
//
// A microbatch of samples i with predicted shares w_i that took y times its prediction says Σ w_i·(f_i − 1) = y − 1.
// What the faster quarter of a stage's microbatches took is the level of all its shapes: a module that drifts is no
// matter of shapes. What remains of an equation is split over its ranges as in Kaczmarz's projection (1937): it asks
// range r to move by e·w_r/Σw², e being what the present estimates leave unexplained. A range moves by the median of
// what its last equations ask, until they agree: a hiccup of a device moves nothing, and a normal shape that shared a
// microbatch with a slow one is cleared by its others.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "policies/correction/corrected_step.hpp"

namespace dflop {

class ResidualTable {
 public:
  ResidualTable(double range_tokens, int min_observations)
      : range_tokens_(range_tokens), min_observations_(min_observations) {}

  /// In this stage of a module's pipeline a microbatch of these samples took (1 + residual) × its predicted time.
  void Add(int stage, const std::vector<SampleShare>& samples, double residual);
  /// Makes estimates of what was added; worth calling once a step.
  void Solve();
  /// The level of the stage where too little has been seen of the range.
  double Factor(int stage, int module, double tokens) const;

 private:
  struct Equation;
  struct Entry {
    std::deque<std::shared_ptr<const Equation>> equations;  ///< the last few, oldest first
    int seen = 0;
    double residual = 0;  ///< beside the level
  };
  struct Equation {
    std::vector<std::pair<Entry*, double>> weights;  ///< of its ranges
    double squares = 0;                              ///< Σ weights²
    double residual = 0;                             ///< beside the level of its step
  };
  struct Level {
    double residual = 0;
    std::vector<std::shared_ptr<Equation>> recent;  ///< added since the last Solve
  };
  static void Update(Level& level);
  using Key = std::tuple<int, int, std::int64_t>;  ///< stage, module, range

  Key KeyOf(int stage, int module, double tokens) const;

  double range_tokens_;
  int min_observations_;
  // Equations point into these, and a map never moves its entries.
  std::map<Key, Entry> entries_;
  std::map<std::pair<int, int>, Level> levels_;  ///< (stage, module)
};

}  // namespace dflop
