// What a reader is shown of a publication's figures: a page, a README made of the same data, and the verdicts for
// programs.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "experiments/reproduction/reproduced_figure.hpp"
#include "experiments/reproduction/verdict.hpp"

namespace dflop {

/// One result that a figure was made from.
struct UsedResult {
  std::string experiment;
  std::string command;
  std::size_t seeds = 0;
  std::size_t seeds_wanted = 0;  ///< by the experiment's file
  Json inputs;                   ///< SHA-256 by file
};

struct JudgedFigure {
  JudgedStatement judged;
  ReproducedFigure figure;
  std::vector<UsedResult> results;
};

/// A page that needs no other file; figure.css and paper.css stand inside.
std::string PaperPage(const std::string& source, const std::vector<JudgedFigure>& figures);

/// Markdown: one row per figure, then its clauses and reasons.
std::string PaperReadme(const std::string& source, const std::vector<JudgedFigure>& figures,
                        const std::string& command);

/// dflop/verdicts/1.
Json VerdictsJson(const std::string& source, const std::vector<JudgedFigure>& figures);

/// What a reader must know first of figures made from fewer seeds than their experiments ask for; "" where none is.
std::string QuickNotice(const std::vector<JudgedFigure>& figures);

/// "11 of 19 hold, 6 in part, 2 do not".
std::string Tally(const std::vector<JudgedFigure>& figures);

}  // namespace dflop
