// Panels of one figure share a table of data.
#include "experiments/reproduction/reproduced_figure.hpp"

namespace dflop {

void ReproducedFigure::AddPlots(const std::string& name, const std::vector<Plot>& plots) {
  for (std::size_t i = 0; i < plots.size(); ++i) {
    panels.push_back({plots.size() == 1 ? name : name + "-" + std::to_string(i + 1), DrawPlot(plots[i])});
  }
  csv += PlotCsv(plots);
}

}  // namespace dflop
