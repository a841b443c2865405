// A figure of a publication made again from stored results: panels, their data, and the quantities that its statements
// are judged by.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/statistics.hpp"
#include "experiments/report/page.hpp"
#include "experiments/report/plot.hpp"
#include "experiments/reproduction/stored_results.hpp"

namespace dflop {

/// By name ("gain.llama3-8b.over.random-fixed"); with the 95 % interval over the seeds where there is one.
using Quantities = std::map<std::string, Interval>;

struct ReproducedFigure {
  std::vector<NamedFigure> panels;  ///< their names are those of files, and unique among all figures
  std::string csv;                  ///< the data of all panels
  Quantities quantities;
  std::vector<std::string> notes;  ///< what has to be known beside it, worked out from the results
  bool wall_clock = false;         ///< its figures differ from run to run

  /// Draws the plots as NAME-1, NAME-2, … (a single one as NAME) and keeps their data.
  void AddPlots(const std::string& name, const std::vector<Plot>& plots);
};

/// One figure of a publication: from the results of its experiments.
struct FigureMaker {
  std::string_view figure;                    ///< its id in the statements
  std::vector<std::string_view> experiments;  ///< names of the files it needs, without .json
  ReproducedFigure (*make)(const StoredResults& results);
};

}  // namespace dflop
