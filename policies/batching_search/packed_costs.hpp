// What whole buckets cost as the stages will run them: kernels at the packed length, which sums of single samples miss.
#pragma once

#include <vector>

#include "policies/api/batch_scheduler.hpp"
#include "policies/api/module_stages.hpp"

namespace dflop {

class PackedCosts {
 public:
  /// The problem has a context. `by_union`: dimensions over a union are priced by Union and not bucket by bucket.
  PackedCosts(const BatchProblem& problem, bool by_union);

  /// Seconds of forward and backward in the slowest stage of dimension d's devices, times the correction's factors;
  /// comparable to Σ problem.costs[d].
  double Bucket(std::size_t d, const std::vector<int>& samples) const;
  /// The same for the union of the replicas' buckets of one microbatch index, its tiles divided evenly.
  double Union(std::size_t d, const std::vector<const std::vector<int>*>& buckets) const;

  bool over_union(std::size_t d) const { return over_union_[d]; }

 private:
  struct Module {
    int module = 0;
    PlacedPart placed;
    std::vector<double> uncorrected;  ///< [i]: problem.module_costs without the correction's factors
  };
  double Llm(const Module& module, const std::vector<int>& samples) const;
  double Encoder(const Module& module, double tiles, const std::vector<const std::vector<int>*>& buckets) const;
  double Factor(const Module& module, const std::vector<const std::vector<int>*>& buckets) const;
  double Tiles(const Module& module, const std::vector<int>& samples) const;

  const BatchProblem& problem_;
  std::vector<std::vector<Module>> modules_;  ///< [d]
  std::vector<bool> over_union_;              ///< [d]
  std::vector<bool> own_devices_;             ///< [d]: an encoder's
};

}  // namespace dflop
