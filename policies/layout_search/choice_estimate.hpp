// Step time and memory of layouts in a microsecond each, from the mean microbatch: a bound that no schedule beats, by
// which layouts are discarded, and an expectation, which only says which layouts to simulate first.
//
// The bound: the busiest replica of a stage runs at least 1/dp of the batch's tokens, and no microbatch runs a token
// faster than the best microbatch size does, so
//   step ≥ tokens/dp · Σ layers of the stage · min over t of time(t)/t  + its optimizer step,
// where a colocated encoder's dp counts every group of its ranks. The minimum is taken over a grid of sizes: for t
// between g and h it is at least time(g)/h, for larger microbatches never run for a shorter time. Attention's growth
// with the length of a sequence is left out (it only adds), as are the gathering of a colocated encoder's tiles and the
// rounding of each group's share of them to whole ones.
//
// The expectation: (microbatches − 1)·slowest stage + all stages once, as a pipeline of equal microbatches takes, with
// the hub as a stage of its own, context-parallel ranks as replicas, an encoder that is spread before and behind the
// pipeline, transfers on the way in and out, gradient reduction and optimizer at the end. Tiles
// that the groups of a colocated encoder divide count as the busiest group's, and their gathering at the end.
#pragma once

#include <array>
#include <map>
#include <utility>
#include <vector>

#include "policies/layout_search/layout_choice.hpp"

namespace dflop {

struct StepEstimate {
  Seconds bound{0};
  Seconds expected{0};
  bool state_fits = true;   ///< weights, gradients, optimizer state and workspace alone; false is certain
  bool likely_fits = true;  ///< with the mean microbatch's activations; a guess
  Bytes bytes{0};           ///< what that guess comes to on the fullest device
};

class ChoiceEstimate {
 public:
  /// `batch`: the global batch that bound and expectation are for. The problem's costs outlive the estimate.
  ChoiceEstimate(const PlanningProblem& problem, const std::vector<SampleShape>& batch);

  StepEstimate Of(const LayoutChoice& choice);
  int FewerForHead(const LayoutChoice& choice, int stages);

 private:
  /// One layer and the ends of a module on a mean microbatch, forward and backward.
  struct Cell {
    bool known = false;
    double layer = 0, input = 0, output = 0;  ///< seconds
    double layer_bytes = 0;                   ///< activations
    double transient_bytes = 0;               ///< of the end of the module
    double boundary_bytes = 0;
  };
  /// What a module's degrees fix for every microbatch count.
  struct Side {
    int front = 0, back = 0;  ///< layers of its first and last stage
    double state_bytes = 0;   ///< of the fullest stage
    double optimizer = 0;     ///< seconds of the fastest stage's step
    double end = 0;           ///< gradient reduction and optimizer of the slowest stage
    double front_bound = 0, back_bound = 0;
  };
  struct Rates {
    bool known = false;
    double layer = 0, input = 0, output = 0;  ///< least seconds per token (per tile for an encoder)
  };

  const Cell& CellOf(int module, int tp, int parts, double& scale);
  const Rates& RatesOf(int module, int tp);
  const Side& SideOf(int module, const ModuleDegrees& degrees, int stages, int fewer_last);
  Side MakeSide(int module, const ModuleDegrees& degrees, int stages, int fewer_last);
  double ReductionSeconds(const ModulePart& part, int replicas) const;
  SequenceBatch MeanBatch(int module, double parts) const;

  struct Module {  ///< of a layout, with its microbatches
    double slowest = 0, whole = 0;
    double activations = 0, transient = 0, boundary = 0;
    const Side* side = nullptr;
  };
  /// `parts` microbatches, each divided over `groups` of the module's replicas.
  Module At(int module, const ModuleDegrees& degrees, int stages, int fewer_last, int parts, int groups = 1);
  int BusiestParts(int module, int parts, int groups) const;
  /// Seconds that a link is busy with one microbatch, and that the first one takes from encoder to LLM.
  struct Join {
    double busy;
    double way;
  };
  Join JoinOf(int encoder, const LayoutChoice& choice) const;
  StepEstimate Homogeneous(const LayoutChoice& choice);
  StepEstimate Separate(const LayoutChoice& choice);
  StepEstimate Spread(const LayoutChoice& choice);
  static double Peak(const Module& module, int in_flight);
  void SetMemory(StepEstimate& estimate, double state, double peak) const;
  double GatherSeconds(int module, int parts, int groups) const;
  double HopSeconds(double bytes, int tp) const;

  /// Times of the fastest kind of nodes: a bound must not be above what some placement takes.
  const NodeSpec& Node() const { return cost_.cluster().node_of_kind(kind_); }

  const CostModel& cost_;
  KindId kind_;
  std::vector<SequenceBatch> whole_;      ///< [module]: the whole global batch
  std::vector<double> totals_;            ///< [module]: tokens (tiles for an encoder) of it
  double largest_share_ = 0;              ///< of the LLM's tokens, in one sample
  double memory_ = 0;                     ///< that planners use
  std::vector<std::vector<Cell>> cells_;  ///< [module·8 + tp]
  std::vector<Rates> rates_;              ///< [module·9 + tp]
  using SideKey = std::array<int, 5>;
  std::map<SideKey, Side> sides_;
  std::vector<std::pair<SideKey, const Side*>> last_sides_;  ///< [module]
};

}  // namespace dflop
