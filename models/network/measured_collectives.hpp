// Collectives of one machine as they were measured, which go before the law, as measured kernels do.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "models/network/collective_law.hpp"

namespace dflop {

class MeasuredCollectives {
 public:
  /// Where the rows come from, for people.
  explicit MeasuredCollectives(std::string source) : source_(std::move(source)) {}

  /// Positive bytes and seconds. `per_domain`: ranks of every NVLink domain that takes part.
  void Add(CollectiveOp op, int ranks, int per_domain, Bytes bytes, Seconds time);

  /// Between two sizes that were measured, straight in logarithms; nothing beyond them, nor for ranks that were not
  /// measured: there the law knows better.
  std::optional<Seconds> Time(CollectiveOp op, int ranks, int per_domain, Bytes bytes) const;

  const std::string& source() const { return source_; }
  std::size_t rows() const { return rows_; }

 private:
  std::string source_;
  std::size_t rows_ = 0;
  /// Seconds by bytes.
  std::map<std::tuple<CollectiveOp, int, int>, std::map<double, double>> times_;
};

}  // namespace dflop
