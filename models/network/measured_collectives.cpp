// A table of sizes for every operation and placement of ranks.
#include "models/network/measured_collectives.hpp"

#include <cmath>

#include "base/error.hpp"

namespace dflop {

void MeasuredCollectives::Add(CollectiveOp op, int ranks, int per_domain, Bytes bytes, Seconds time) {
  DFLOP_CHECK(bytes > Bytes(0) && time > Seconds(0), "what was measured moved something and took time");
  times_[{op, ranks, per_domain}][bytes.value()] = time.value();
  ++rows_;
}

std::optional<Seconds> MeasuredCollectives::Time(CollectiveOp op, int ranks, int per_domain, Bytes bytes) const {
  const auto table = times_.find({op, ranks, per_domain});
  if (table == times_.end()) return std::nullopt;
  const std::map<double, double>& times = table->second;
  const auto above = times.lower_bound(bytes.value());
  if (above == times.end()) return std::nullopt;
  if (above->first == bytes.value()) return Seconds(above->second);
  if (above == times.begin()) return std::nullopt;
  const auto below = std::prev(above);
  const double share = std::log(bytes.value() / below->first) / std::log(above->first / below->first);
  return Seconds(below->second * std::pow(above->second / below->second, share));
}

}  // namespace dflop
