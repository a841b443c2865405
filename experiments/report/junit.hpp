// A comparison as JUnit XML, the form in which CI systems list what failed.
#pragma once

#include <string>

#include "experiments/results/comparison.hpp"

namespace dflop {

/// One test case a row: classname = the experiment, name = the row's. A regression is a failure; what is undecided,
/// better, new or otherwise different passes and says so in its output.
std::string JUnitXml(const std::string& experiment, const Comparison& comparison);

}  // namespace dflop
