// How far a row of a table may be believed, in a few words.
#pragma once

#include <string>

#include "experiments/results/result_figures.hpp"

namespace dflop {

struct Trust {
  std::string word;     ///< "measured", "interpolated", "extrapolated 31 %"
  std::string detail;   ///< what its difference to the best baseline is worth against published errors
  double sort_by = 0;   ///< 0 is best
  bool is_bad = false;  ///< no choice at all, or mostly extrapolated
};

/// `policy` has figures at `point`. "Measured": its plan was executed too. "Interpolated": its kernel costs lie between
/// measured shapes. A difference to the fastest baseline smaller than what published runs of this kind were missed by
/// is called within that error.
Trust TrustOf(const Report& report, const PointFigures& point, const PolicyFigures& policy);

}  // namespace dflop
