// Shapes are made of one ascending ranking, which dealt to both ends in turn is a hill, or of its reverse.
#include "policies/batching_search/start_orders.hpp"

#include <algorithm>
#include <deque>
#include <numeric>

#include "base/index.hpp"

namespace dflop {
namespace {

using Ranking = std::vector<int>;  ///< microbatch indices

/// Seconds that a bucket adds over all dimensions of cost.
double Size(const BatchProblem& problem, const std::vector<int>& bucket) {
  double size = 0;
  for (const auto& dimension : problem.costs) {
    for (const int i : bucket) size += dimension[Index(i)];
  }
  return size;
}

/// Ascending ranks dealt to both ends in turn: the largest in the middle.
Ranking Hill(const Ranking& ascending) {
  std::deque<int> hill;
  for (std::size_t i = ascending.size(); i-- > 0;) {
    i % 2 == 0 ? hill.push_front(ascending[i]) : hill.push_back(ascending[i]);
  }
  return {hill.begin(), hill.end()};
}

Ranking Reversed(Ranking ranking) {
  std::reverse(ranking.begin(), ranking.end());
  return ranking;
}

std::vector<Ranking> Shapes(const Ranking& ascending) {
  return {Hill(ascending), Hill(Reversed(ascending)), ascending, Reversed(ascending)};
}

Ranking Ascending(const std::vector<double>& sizes) {
  Ranking ranking(sizes.size());
  std::iota(ranking.begin(), ranking.end(), 0);
  std::stable_sort(ranking.begin(), ranking.end(), [&](int a, int b) { return sizes[Index(a)] < sizes[Index(b)]; });
  return ranking;
}

std::vector<std::vector<int>> Arranged(const std::vector<std::vector<int>>& buckets, const Ranking& ranking) {
  std::vector<std::vector<int>> arranged;
  arranged.reserve(ranking.size());
  for (const int k : ranking) arranged.push_back(buckets[Index(k)]);
  return arranged;
}

/// Every replica by itself.
void AddShapesOfReplicas(const BatchProblem& problem, const Buckets& buckets, std::vector<Buckets>& orders) {
  std::vector<std::vector<Ranking>> shapes;  // [replica][shape]
  for (const auto& replica : buckets) {
    std::vector<double> sizes;
    sizes.reserve(replica.size());
    for (const auto& bucket : replica) sizes.push_back(Size(problem, bucket));
    shapes.push_back(Shapes(Ascending(sizes)));
  }
  for (std::size_t shape = 0; shape < shapes.front().size(); ++shape) {
    Buckets& order = orders.emplace_back();
    for (std::size_t r = 0; r < buckets.size(); ++r) order.push_back(Arranged(buckets[r], shapes[r][shape]));
  }
}

/// Indices stay together.
void AddShapesOfIndices(const BatchProblem& problem, const Buckets& buckets, std::vector<Buckets>& orders) {
  std::vector<double> sizes(Index(problem.microbatches));
  for (const auto& replica : buckets) {
    for (std::size_t k = 0; k < replica.size(); ++k) sizes[k] += Size(problem, replica[k]);
  }
  for (const Ranking& shape : Shapes(Ascending(sizes))) {
    Buckets& order = orders.emplace_back();
    for (const auto& replica : buckets) order.push_back(Arranged(replica, shape));
  }
}

/// All buckets by the LLM's time, dealt to the replicas of one index after the other, to and fro.
Buckets Aligned(const BatchProblem& problem, const Buckets& buckets) {
  std::vector<std::vector<int>> all;
  std::vector<double> sizes;
  for (const auto& replica : buckets) {
    for (const auto& bucket : replica) {
      all.push_back(bucket);
      double size = 0;
      for (const int i : bucket) size += problem.costs.back()[Index(i)];
      sizes.push_back(size);
    }
  }
  Buckets aligned(buckets.size());
  const Ranking ranking = Ascending(sizes);
  for (std::size_t i = 0; i < ranking.size(); ++i) {
    const std::size_t column = i / buckets.size();
    const std::size_t row = i % buckets.size();
    aligned[column % 2 == 0 ? row : buckets.size() - 1 - row].push_back(all[Index(ranking[i])]);
  }
  return aligned;
}

}  // namespace

std::vector<Buckets> StartOrders(const BatchProblem& problem, const Buckets& buckets) {
  std::vector<Buckets> orders;
  if (!problem.context->layout.joins()) {
    AddShapesOfReplicas(problem, buckets, orders);
  } else {
    AddShapesOfIndices(problem, buckets, orders);
    if (problem.replicas > 1) AddShapesOfIndices(problem, Aligned(problem, buckets), orders);
  }
  return orders;
}

}  // namespace dflop
