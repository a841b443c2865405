// What is said when a batch cannot be scheduled: sample, dimension, and by how much a cap is exceeded.
#include "policies/batching_search/batch_checks.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.hpp"
#include "base/index.hpp"
#include "base/text.hpp"

namespace dflop {
namespace {

constexpr double kRounding = 1e-9;

std::string Number(double value) { return Format("%.6g", value); }

std::string Excess(const BucketCap& cap, double amount) {
  const auto in_units = [&](double value) { return Number(value / cap.unit); };
  return in_units(amount) + " " + cap.name + " where " + in_units(cap.limit) +
         " may be: " + in_units(amount - cap.limit) + " too much" + cap.remedy;
}

}  // namespace

void CheckBatch(const BatchProblem& problem) {
  if (problem.samples() == 0) throw InputError("a batch without samples cannot be scheduled");
  if (problem.samples() < problem.buckets()) {
    throw InputError(std::to_string(problem.samples()) + " samples cannot fill " + std::to_string(problem.buckets()) +
                     " microbatches: some would stay empty");
  }
  for (std::size_t d = 0; d < problem.costs.size(); ++d) {
    for (std::size_t i = 0; i < problem.costs[d].size(); ++i) {
      const double cost = problem.costs[d][i];
      if (std::isfinite(cost) && cost > 0) continue;
      throw InputError("sample " + std::to_string(i) + " costs " + Number(cost) + " s in dimension " +
                       std::to_string(d) + " of the batch: a positive finite number is wanted; see the cost trace");
    }
  }
}

void CheckCaps(const BatchProblem& problem) {
  for (const BucketCap& cap : problem.caps) {
    if (cap.limit <= 0) {
      throw Infeasible("no microbatch has room: what is held beside them already takes the place of " +
                       Number(-cap.limit / cap.unit) + " " + cap.name + " more than there is" + cap.remedy);
    }
    const auto largest = std::max_element(cap.amounts.begin(), cap.amounts.end());
    if (largest != cap.amounts.end() && *largest > cap.limit * (1 + kRounding)) {
      throw Infeasible("sample " + std::to_string(largest - cap.amounts.begin()) + " alone has " +
                       Excess(cap, *largest));
    }
    const double mean = std::accumulate(cap.amounts.begin(), cap.amounts.end(), 0.0) / problem.buckets();
    if (mean > cap.limit * (1 + kRounding)) {
      throw Infeasible("the mean of " + std::to_string(problem.buckets()) + " microbatches has " + Excess(cap, mean));
    }
  }
}

std::string BrokenCaps(const BatchProblem& problem, const BatchPlan& plan) {
  std::string broken;
  for (const BucketCap& cap : problem.caps) {
    double most = 0;
    for (const auto& replica : plan.buckets) {
      for (const auto& bucket : replica) {
        double amount = 0;
        for (const int i : bucket) amount += cap.amounts[Index(i)];
        most = std::max(most, amount);
      }
    }
    if (most <= cap.limit * (1 + kRounding)) continue;
    broken += (broken.empty() ? "no plan found that keeps every cap; the fullest microbatch has " : "; and ") +
              Excess(cap, most);
  }
  return broken;
}

}  // namespace dflop
