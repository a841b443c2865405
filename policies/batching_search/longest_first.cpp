// A heap of places; with equal counts a place that has its quota leaves it.
#include "policies/batching_search/longest_first.hpp"

#include <algorithm>
#include <queue>
#include <tuple>

#include "base/index.hpp"

namespace dflop {
namespace {

struct Place {
  double load = 0;
  std::size_t count = 0;
  std::size_t index = 0;
  bool operator>(const Place& other) const {
    return std::tie(load, count, index) > std::tie(other.load, other.count, other.index);
  }
};

/// Of equal counts: every place takes `least`, and `extra` places one more.
struct Quota {
  std::size_t least = 0;
  std::size_t extra = 0;
  bool Full(std::size_t count) const { return count > least || (count == least && extra == 0); }
  void Take(std::size_t count_after) { extra -= count_after == least + 1 ? 1 : 0; }
};

}  // namespace

std::vector<std::vector<int>> LongestFirst(std::vector<int> samples, const std::vector<double>& cost, int places,
                                           Counts counts) {
  std::stable_sort(samples.begin(), samples.end(), [&](int a, int b) { return cost[Index(a)] > cost[Index(b)]; });
  std::priority_queue<Place, std::vector<Place>, std::greater<>> open;
  for (std::size_t p = 0; p < Index(places); ++p) open.push({0, 0, p});
  Quota quota{samples.size(), 0};
  if (counts == Counts::kEqual) quota = {samples.size() / Index(places), samples.size() % Index(places)};
  std::vector<std::vector<int>> result(Index(places));
  for (const int sample : samples) {
    while (quota.Full(open.top().count)) open.pop();
    Place place = open.top();
    open.pop();
    result[place.index].push_back(sample);
    place.load += cost[Index(sample)];
    quota.Take(++place.count);
    open.push(place);
  }
  return result;
}

}  // namespace dflop
