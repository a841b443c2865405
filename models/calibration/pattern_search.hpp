// A minimum without gradients: laws are minima of laws, so that what is fitted has kinks.
#pragma once

#include <functional>
#include <span>
#include <vector>

namespace dflop {

/// Moves one coordinate after the other by its own step, first up, then down; a step that helps grows by half, one that
/// does not is halved. What a round over all coordinates moved is moved again while that helps, as valleys are seldom
/// along an axis. Ends when all steps are below `last_step`.
std::vector<double> PatternSearch(const std::function<double(std::span<const double>)>& cost, std::vector<double> start,
                                  double first_step, double last_step);

}  // namespace dflop
