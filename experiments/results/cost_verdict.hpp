// Whether one policy beats another for all that the kernel costs may be: how often it does when they are drawn within
// their error band (cost_draws.hpp).
//
// An interval over seeds tells luck from effect at costs taken for true; this tells which effects outlast their errors.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json_reader.hpp"

namespace dflop {

/// Seconds by [seed][draw].
using DrawTimes = std::vector<std::vector<double>>;

/// What a run of dflop/result/1 says, whose mean step takes so many seconds: that time by draw. Draws replay one step;
/// each is scaled by the run's mean step over that step at the costs as they are, so that the luck of one batch (or a
/// sample that it deferred) does not pass for an error of the costs. Empty where the run was stored without draws.
std::vector<double> TimesUnderDraws(const JsonReader& run, double mean_step_s);

/// The share of the draws that both have in which the baseline's sum over the seeds is larger, ties counting half.
/// Nothing where the two have no equal numbers of seeds or no draw in common; a large step has fewer (cost_draws.hpp).
std::optional<double> ShareFaster(const DrawTimes& baseline, const DrawTimes& policy);

/// False in between 5 % and 95 %.
bool Decided(double share_faster);

/// "faster in 100 %", "slower in 97 %", "in 71 %: not decided by these costs".
std::string VerdictText(double share_faster);
/// The same as a narrow cell of the terminal: "100 %", "3 %", "? 71 %".
std::string VerdictCell(double share_faster);

}  // namespace dflop
