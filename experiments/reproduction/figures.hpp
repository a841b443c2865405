// The figures that are known: one function each, in the files fig_*.cpp of this folder.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "experiments/reproduction/reproduced_figure.hpp"

namespace dflop {

// DFLOP, arXiv 2603.25120, by figure. Figure 3 draws the architecture, and tables 1 to 3 are notation and set-up.
ReproducedFigure Pipelines(const StoredResults& results);        // fig01
ReproducedFigure Shapes(const StoredResults& results);           // fig02
ReproducedFigure Durations(const StoredResults& results);        // fig04
ReproducedFigure EightSamples(const StoredResults& results);     // fig05
ReproducedFigure HubTraffic(const StoredResults& results);       // fig06
ReproducedFigure Throughputs(const StoredResults& results);      // fig07a
ReproducedFigure SavedHours(const StoredResults& results);       // fig07b
ReproducedFigure ComputeRatio(const StoredResults& results);     // fig08
ReproducedFigure Audio(const StoredResults& results);            // fig09
ReproducedFigure Ablation(const StoredResults& results);         // fig10
ReproducedFigure DataSets(const StoredResults& results);         // fig11a
ReproducedFigure TileHistograms(const StoredResults& results);   // fig11b
ReproducedFigure Scaling(const StoredResults& results);          // fig12
ReproducedFigure IdleTimes(const StoredResults& results);        // fig13
ReproducedFigure StageRates(const StoredResults& results);       // fig14
ReproducedFigure Correction15(const StoredResults& results);     // fig15
ReproducedFigure OptimizerTime16(const StoredResults& results);  // fig16a
ReproducedFigure SchedulerTime(const StoredResults& results);    // fig16b
ReproducedFigure TrainingHours(const StoredResults& results);    // table4

/// Any experiment as bars: step time and gain of every policy over every baseline, with the quantities
/// "gain.SCENARIO.POLICY.over.BASELINE". What has no maker of its own is made by this.
ReproducedFigure Gains(const StoredResults& results, const std::string& experiment);

std::span<const FigureMaker> FigureMakers();

/// Names of the experiments that a figure needs; of one without a maker its own name.
std::vector<std::string> ExperimentsOf(const std::string& figure);
ReproducedFigure MakeFigure(const std::string& figure, const StoredResults& results);

}  // namespace dflop
