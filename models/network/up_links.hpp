// Up and down links between a switch and the level above it: bundles of links of one rate.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "models/network/fabric.hpp"

namespace dflop {

/// The bundles of a level's switches. A bundle has as many links as NICs fit into its rate, at least one; with fewer
/// than one each carries all.
class UpLinks {
 public:
  /// `ports` NICs of together `rate` below every switch, `oversubscription` times what goes up.
  struct Below {
    double ports = 0;
    double rate = 0;
  };
  UpLinks(const std::vector<Below>& switches, double oversubscription, std::int64_t first_id) : next_(first_id) {
    for (const Below& below : switches) {
      const auto links = static_cast<std::int64_t>(std::max(1.0, std::floor(below.ports / oversubscription + 1e-9)));
      const double rate = below.rate / oversubscription / static_cast<double>(links);
      bundles_.push_back({next_, links, BytesPerSecond(rate)});
      next_ += 2 * links;
    }
  }

  /// Both by where the message goes.
  Fabric::Link Up(std::int64_t at, std::int64_t destination) const { return At(at, destination, 0); }
  Fabric::Link Down(std::int64_t at, std::int64_t destination) const { return At(at, destination, 1); }
  std::int64_t end_id() const { return next_; }

  bool Holds(std::int64_t id) const { return !bundles_.empty() && id >= bundles_.front().first && id < next_; }
  /// "3, up 2"
  std::string NameOf(std::int64_t id) const {
    const auto after =
        std::upper_bound(bundles_.begin(), bundles_.end(), id,
                         [](std::int64_t wanted, const Bundle& bundle) { return wanted < bundle.first; });
    const Bundle& bundle = *(after - 1);
    const std::int64_t place = id - bundle.first;
    return std::to_string(after - 1 - bundles_.begin()) + (place % 2 == 0 ? ", up " : ", down ") +
           std::to_string(place / 2);
  }

 private:
  struct Bundle {
    std::int64_t first;
    std::int64_t links;
    BytesPerSecond rate;
  };
  Fabric::Link At(std::int64_t at, std::int64_t destination, int direction) const {
    const Bundle& bundle = bundles_[static_cast<std::size_t>(at)];
    return {bundle.first + 2 * (destination % bundle.links) + direction, bundle.rate};
  }

  std::vector<Bundle> bundles_;
  std::int64_t next_;
};

}  // namespace dflop
