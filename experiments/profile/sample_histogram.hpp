// The joint histogram of tiles and LLM tokens as text: what `dflop samples inspect` draws.
#pragma once

#include <string>
#include <vector>

#include "models/sample_shape.hpp"

namespace dflop {

/// Rows are tiles (all encoders together), columns LLM tokens, cells shares of the samples in percent with a shade that
/// is relative to the fullest cell; marginals at the right and at the bottom. At least one shape.
std::string DrawJointHistogram(const std::vector<SampleShape>& shapes);

/// Mean, median, 95th percentile and largest value of tiles and of LLM tokens, one line each.
std::string DescribeShapes(const std::vector<SampleShape>& shapes);

/// How many samples there are of each kind of content, one line each.
std::string CountKinds(const std::vector<Sample>& samples);

}  // namespace dflop
