// Figures and findings as text: how the report writes a number, and the sentence that says who wins.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "experiments/results/figure_fields.hpp"
#include "experiments/results/result_figures.hpp"

namespace dflop {

std::string Percent(double fraction, int decimals = 1);     ///< 0.123 → "12.3 %"
std::string Duration(double seconds);                       ///< four significant digits in s, ms or µs
std::string DurationWithInterval(const Interval& seconds);  ///< "1.171 ± 0.024 s", both in one unit
inline constexpr double kGibibyte = 1024.0 * 1024 * 1024;
/// A figure with one decimal in the unit that the headings of the tables name: %, GiB, …
std::string InUnitOfTables(const FigureField& field, const RunFigures& figures);
/// Whether a share is nothing to the one decimal that tables show.
inline bool RoundsToNothing(double share) { return std::abs(share) < 0.0005; }
std::string Gibibytes(double bytes);                   ///< "66.4 GiB"
std::string Ratio(double value);                       ///< "1.234×"
std::string RatioWithInterval(const Interval& ratio);  ///< "1.234× (1.2–1.3)", the bracket only when there is one

/// The policies that have figures, fastest first, whether they fit or not.
std::vector<const PolicyFigures*> BySpeed(const PointFigures& point);

/// Who is fastest at this point, by how much over each baseline, and what has to be known beside it. Says it plainly
/// when a baseline wins or when the interval does not tell two policies apart.
std::string Summary(const PointFigures& point, const std::vector<std::string>& baselines);

}  // namespace dflop
