// Sums over replicas, of which one may stand for many.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

namespace dflop {

/// Equal values are counted and then added up in rising order: the same to the last bit whether equal replicas come
/// one by one or as one with its count, and in whatever order.
class CountedSum {
 public:
  void Add(double value, double count = 1) { values_.emplace_back(value, count); }

  double Total() {
    std::sort(values_.begin(), values_.end());
    double total = 0;
    for (std::size_t i = 0; i < values_.size();) {
      const double value = values_[i].first;
      double count = 0;
      for (; i < values_.size() && values_[i].first == value; ++i) count += values_[i].second;
      total += value * count;
    }
    return total;
  }

 private:
  std::vector<std::pair<double, double>> values_;
};

}  // namespace dflop
